`timescale 1ns / 1ps

// RV32I, multi-cycle: fetch, execute, and for loads and stores a memory step. No CSRs and no
// interrupts; FENCE does nothing (one hart, memory in order). ECALL, EBREAK, an instruction that
// RV32I does not have and a misaligned access or jump raise `trap`, and the core stops for good.
//
// Memory: while `mem_valid` is high the request holds still; the step ends on the clock edge where
// `mem_ready` is high too. `mem_addr` is a word's; `mem_wstrb` is 0 for a read.
module rv32 #(
    parameter logic [31:0] RESET_PC = 32'h0000_0000
) (
    input  logic        clk,
    input  logic        rst_n,
    output logic        mem_valid,
    output logic [31:0] mem_addr,
    output logic [31:0] mem_wdata,
    output logic [3:0]  mem_wstrb,
    input  logic        mem_ready,
    input  logic [31:0] mem_rdata,
    output logic        retired,  // one clock per finished instruction
    output logic        trap
);
    typedef enum logic [1:0] {FETCH, EXECUTE, MEMORY, STOPPED} state_t;

    localparam logic [6:0] OP_LUI    = 7'h37;
    localparam logic [6:0] OP_AUIPC  = 7'h17;
    localparam logic [6:0] OP_JAL    = 7'h6f;
    localparam logic [6:0] OP_JALR   = 7'h67;
    localparam logic [6:0] OP_BRANCH = 7'h63;
    localparam logic [6:0] OP_LOAD   = 7'h03;
    localparam logic [6:0] OP_STORE  = 7'h23;
    localparam logic [6:0] OP_IMM    = 7'h13;
    localparam logic [6:0] OP_REG    = 7'h33;
    localparam logic [6:0] OP_FENCE  = 7'h0f;

    state_t      state;
    logic [31:0] pc;
    logic [31:0] ir;
    logic [31:0] regs [32];

    // ---- decode ---------------------------------------------------------------------------------

    logic [6:0]  opcode;
    logic [2:0]  funct3;
    logic [6:0]  funct7;
    logic [4:0]  rd;
    logic [31:0] rs1_value;
    logic [31:0] rs2_value;
    logic [31:0] imm;
    logic        legal;

    assign opcode    = ir[6:0];
    assign rd        = ir[11:7];
    assign funct3    = ir[14:12];
    assign funct7    = ir[31:25];
    assign rs1_value = (ir[19:15] == 5'd0) ? 32'd0 : regs[ir[19:15]];
    assign rs2_value = (ir[24:20] == 5'd0) ? 32'd0 : regs[ir[24:20]];

    always_comb begin
        case (opcode)
            OP_LUI, OP_AUIPC: imm = {ir[31:12], 12'd0};
            OP_JAL:    imm = {{12{ir[31]}}, ir[19:12], ir[20], ir[30:21], 1'b0};
            OP_BRANCH: imm = {{20{ir[31]}}, ir[7], ir[30:25], ir[11:8], 1'b0};
            OP_STORE:  imm = {{21{ir[31]}}, ir[30:25], ir[11:7]};
            default:   imm = {{21{ir[31]}}, ir[30:20]};
        endcase
    end

    always_comb begin
        case (opcode)
            OP_LUI, OP_AUIPC, OP_JAL: legal = 1'b1;
            OP_JALR, OP_FENCE: legal = (funct3 == 3'd0);
            OP_BRANCH: legal = (funct3 != 3'd2) && (funct3 != 3'd3);
            OP_LOAD:   legal = (funct3 != 3'd3) && (funct3 < 3'd6);
            OP_STORE:  legal = (funct3 < 3'd3);
            OP_IMM:    legal = (funct3 != 3'd1 && funct3 != 3'd5) || (funct7 == 7'h00)
                               || (funct3 == 3'd5 && funct7 == 7'h20);
            OP_REG:    legal = (funct7 == 7'h00)
                               || (funct7 == 7'h20 && (funct3 == 3'd0 || funct3 == 3'd5));
            default:   legal = 1'b0;
        endcase
    end

    // ---- execute --------------------------------------------------------------------------------

    logic        is_memory;
    logic        alternate;
    logic        taken;
    logic        misaligned;
    logic        writes_rd;
    logic [31:0] alu_b;
    logic [31:0] alu_result;
    logic        equal;
    logic        less_signed;
    logic        less_unsigned;
    logic [31:0] address;
    logic [31:0] jump_target;
    logic [31:0] pc_next;
    logic [31:0] rd_value;

    assign is_memory = (opcode == OP_LOAD) || (opcode == OP_STORE);
    assign alu_b     = (opcode == OP_IMM) ? imm : rs2_value;
    // In ADDI bit 30 is part of the number.
    assign alternate = ir[30] && (opcode == OP_REG || funct3 == 3'd5);

    rv32_alu alu (
        .a(rs1_value), .b(alu_b), .funct3, .alternate,
        .result(alu_result), .equal, .less_signed, .less_unsigned
    );

    always_comb begin
        case (funct3[2:1])
            2'd0:    taken = equal ^ funct3[0];
            2'd2:    taken = less_signed ^ funct3[0];
            default: taken = less_unsigned ^ funct3[0];
        endcase
    end

    assign address = rs1_value + imm;

    always_comb begin
        jump_target = (opcode == OP_JALR) ? {address[31:1], 1'b0} : pc + imm;
        if (opcode == OP_JAL || opcode == OP_JALR || (opcode == OP_BRANCH && taken))
            pc_next = jump_target;
        else
            pc_next = pc + 32'd4;
    end

    always_comb begin
        case (funct3[1:0])
            2'd0:    misaligned = 1'b0;
            2'd1:    misaligned = address[0];
            default: misaligned = (address[1:0] != 2'd0);
        endcase
        if (!is_memory) misaligned = (pc_next[1:0] != 2'd0);
    end

    always_comb begin
        writes_rd = 1'b1;
        case (opcode)
            OP_LUI:          rd_value = imm;
            OP_AUIPC:        rd_value = pc + imm;
            OP_JAL, OP_JALR: rd_value = pc + 32'd4;
            OP_IMM, OP_REG:  rd_value = alu_result;
            default: begin
                rd_value  = 32'd0;
                writes_rd = 1'b0;
            end
        endcase
    end

    // ---- memory ---------------------------------------------------------------------------------

    logic [31:0] load_value;
    logic [31:0] store_word;
    logic [3:0]  store_strobe;

    rv32_load load (.word(mem_rdata), .offset(address[1:0]), .funct3, .value(load_value));

    always_comb begin
        case (funct3[1:0])
            2'd0: begin
                store_word   = {4{rs2_value[7:0]}};
                store_strobe = 4'b0001 << address[1:0];
            end
            2'd1: begin
                store_word   = {2{rs2_value[15:0]}};
                store_strobe = address[1] ? 4'b1100 : 4'b0011;
            end
            default: begin
                store_word   = rs2_value;
                store_strobe = 4'b1111;
            end
        endcase
    end

    assign mem_valid = (state == FETCH) || (state == MEMORY);
    assign mem_addr  = (state == MEMORY) ? {address[31:2], 2'b00} : pc;
    assign mem_wdata = store_word;
    assign mem_wstrb = (state == MEMORY && opcode == OP_STORE) ? store_strobe : 4'b0000;

    // ---- steps ----------------------------------------------------------------------------------

    assign trap = (state == STOPPED);

    always_ff @(posedge clk) begin
        retired <= 1'b0;
        if (!rst_n) begin
            state <= FETCH;
            pc    <= RESET_PC;
            ir    <= 32'd0;
        end else begin
            case (state)
                FETCH: if (mem_ready) begin
                    ir    <= mem_rdata;
                    state <= EXECUTE;
                end
                EXECUTE: begin
                    if (!legal || misaligned) begin
                        state <= STOPPED;
                    end else if (is_memory) begin
                        state <= MEMORY;
                    end else begin
                        pc      <= pc_next;
                        retired <= 1'b1;
                        state   <= FETCH;
                    end
                end
                MEMORY: if (mem_ready) begin
                    pc      <= pc_next;
                    retired <= 1'b1;
                    state   <= FETCH;
                end
                default: state <= STOPPED;
            endcase
        end
    end

    // x0 may hold anything: it is never read.
    always_ff @(posedge clk) begin
        if (state == EXECUTE && legal && !misaligned && writes_rd) regs[rd] <= rd_value;
        else if (state == MEMORY && mem_ready && opcode == OP_LOAD) regs[rd] <= load_value;
    end
endmodule
