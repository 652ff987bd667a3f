// Runs one program on the core: +program=FILE, a hex file as objcopy -O verilog writes it (bytes).
//
// The program ends by storing a word to TOHOST: 1 is a pass; anything else is twice the address of
// the name (zero-ended text) of the check that failed. A program that stores to EXPECT_TRAP first
// passes when the core traps, and only then. Memory answers after a random number of
// clocks, so a seed (+verilator+seed+N) is another interleaving of the same program.
// Ends with the line TEST PASSED, or with $error (a wrong answer) or $fatal (no end, no program).
`timescale 1ns / 1ps

module rv32_tb;
    localparam int unsigned MEM_BYTES       = 65536;
    localparam logic [31:0] TOHOST          = 32'h8000_0000;
    localparam logic [31:0] EXPECT_TRAP     = 32'h8000_0004;
    localparam int unsigned WATCHDOG_CLOCKS = 2_000_000;
    localparam int unsigned NAME_MAX        = 64;

    logic        clk = 1'b0;
    logic        rst_n = 1'b0;
    logic        mem_valid;
    logic [31:0] mem_addr;
    logic [31:0] mem_wdata;
    logic [3:0]  mem_wstrb;
    logic        mem_ready = 1'b0;
    logic [31:0] mem_rdata = '0;
    logic        retired;
    logic        trap;

    logic [7:0]  mem [MEM_BYTES];
    string       program_file;
    int unsigned clocks = 0;
    int unsigned instructions = 0;
    int unsigned waits = 0;      // clocks until the pending request is answered
    bit          waiting = 1'b0;
    bit          trap_expected = 1'b0;

    rv32 dut (.*);

    always #5 clk = !clk;

    function automatic string name_at(input logic [31:0] address);
        string name = "";
        for (int unsigned i = 0; i < NAME_MAX; i++) begin
            logic [7:0] letter = mem[16'(address + i)];
            if (letter < 8'h20 || letter > 8'h7e) break;
            name = {name, string'(letter)};
        end
        return name;
    endfunction

    task automatic pass();
        $display("%0d instructions in %0d clocks", instructions, clocks);
        $display("TEST PASSED");
        $finish;
    endtask

    task automatic finish_with(input logic [31:0] verdict);
        if (verdict !== 32'd1)
            $error("program failed its check %s (tohost 0x%08x)", name_at(verdict >> 1), verdict);
        if (trap_expected) $error("the core did not trap");
        pass();
    endtask

    task automatic answer_request();
        if (mem_addr == TOHOST && mem_wstrb != 4'b0000) begin
            finish_with(mem_wdata);
        end else if (mem_addr == EXPECT_TRAP && mem_wstrb != 4'b0000) begin
            trap_expected <= 1'b1;
        end else if (mem_addr >= MEM_BYTES) begin
            $error("access to 0x%08x, where there is no memory", mem_addr);
        end else begin
            for (int unsigned i = 0; i < 4; i++) begin
                if (mem_wstrb[i]) mem[16'(mem_addr + i)] <= mem_wdata[8*i+:8];
                mem_rdata[8*i+:8] <= mem[16'(mem_addr + i)];
            end
        end
    endtask

    always @(posedge clk) if (rst_n) begin
        clocks <= clocks + 1;
        if (retired) instructions <= instructions + 1;
        if (trap && trap_expected) pass();
        else if (trap) $error("the core stopped with a trap after %0d instructions", instructions);
        if (clocks >= WATCHDOG_CLOCKS) $fatal(1, "watchdog: no end after %0d clocks", clocks);

        mem_ready <= 1'b0;
        if (mem_valid && !mem_ready) begin
            if (!waiting) begin
                waiting <= 1'b1;
                waits   <= $urandom_range(2);
            end else if (waits != 0) begin
                waits <= waits - 1;
            end else begin
                waiting   <= 1'b0;
                mem_ready <= 1'b1;
                answer_request();
            end
        end
    end

    cover_load_byte_odd: cover property (@(posedge clk) dut.state == 2'd2 && dut.opcode == 7'h03
                                         && dut.funct3 == 3'd0 && dut.address[0]);
    cover_branch_back:   cover property (@(posedge clk) retired && dut.opcode == 7'h63);

    initial begin
        int handle;
        if ($value$plusargs("program=%s", program_file) == 0) $fatal(1, "give +program=FILE");
        handle = $fopen(program_file, "r");
        if (handle == 0) $fatal(1, "cannot read the program %s", program_file);
        $fclose(handle);
        for (int unsigned i = 0; i < MEM_BYTES; i++) mem[i] = 8'h00;
        $readmemh(program_file, mem);
        repeat (4) @(negedge clk);
        rst_n = 1'b1;
    end
endmodule
