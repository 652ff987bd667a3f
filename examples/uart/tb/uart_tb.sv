// Self-checking bench of the UART: both directions at once under random load, then the corners one
// by one. All randomness is $urandom, so +verilator+seed+N chooses the test. Ends with the line
// TEST PASSED, or with $error (a wrong answer) or $fatal (no progress).
`timescale 1ns / 1ps

module uart_tb;
    localparam int unsigned FIFO_LOG2    = 3;
    localparam int unsigned DIV_BITS     = 12;
    localparam int unsigned DEPTH        = 1 << FIFO_LOG2;
    localparam int unsigned RANDOM_BYTES = 60;
    localparam realtime     CLOCK_NS     = 10.0;
    localparam int unsigned WATCHDOG_CLOCKS = 2_000_000;

    logic                clk = 1'b0;
    logic                rst_n = 1'b0;
    logic [DIV_BITS-1:0] divisor = '0;
    logic                tx_valid = 1'b0;
    logic [7:0]          tx_data = '0;
    logic                tx_ready;
    logic                tx_idle;
    logic [FIFO_LOG2:0]  tx_level;
    logic                rx_valid;
    logic [7:0]          rx_data;
    logic                rx_frame_error;
    logic                rx_ready = 1'b0;
    logic                rx_overrun;
    logic                txd;
    logic                rxd = 1'b1;
    logic                cts_n = 1'b0;
    logic                rts_n;

    realtime     bit_ns;
    logic [7:0]  sent_to_line[$];      // accepted by tx_*, not yet seen on txd
    logic [8:0]  sent_to_host[$];      // {frame error, data} driven on rxd, not yet seen on rx_*
    int unsigned consumer_pct = 0;     // how often the host takes a received byte; 0: never
    bit          writer_done = 1'b0;
    bit          driver_done = 1'b0;
    bit          rts_obeyed = 1'b0;    // the peer had to wait for room at least once
    int unsigned drop_expected = 0;    // overruns that the bench has provoked
    int unsigned drops = 0;
    int unsigned bytes_on_line = 0;
    int unsigned bytes_to_host = 0;
    int unsigned frame_errors = 0;
    int unsigned tx_full_seen = 0;
    int unsigned rx_full_seen = 0;
    int unsigned rts_seen = 0;
    int unsigned cts_held_seen = 0;
    int unsigned glitches = 0;

    uart #(.FIFO_LOG2(FIFO_LOG2), .DIV_BITS(DIV_BITS)) dut (.*);

    always #(CLOCK_NS / 2) clk = !clk;

    function automatic bit chance(input int unsigned percent);
        return $urandom_range(99) < percent;
    endfunction

    // A real number in -1.0 .. 1.0.
    function automatic real noise();
        return real'($urandom_range(2000)) / 1000.0 - 1.0;
    endfunction

    task automatic wait_bits(input int unsigned bits);
        #(bit_ns * real'(bits));
    endtask

    // ---- host side of the transmitter -----------------------------------------------------------

    // Inputs of the design change on the falling edge, so that no answer depends on event order.
    task automatic host_write(input logic [7:0] value);
        tx_valid = 1'b1;
        tx_data  = value;
        while (!tx_ready) @(negedge clk);
        sent_to_line.push_back(value);
        @(negedge clk);
        tx_valid = 1'b0;
    endtask

    task automatic host_write_random(input int unsigned count, input int unsigned pause_pct);
        for (int unsigned i = 0; i < count; i++) begin
            host_write(8'($urandom));
            if (chance(pause_pct)) repeat ($urandom_range(400)) @(negedge clk);
        end
    endtask

    // ---- the line from the transmitter ----------------------------------------------------------

    // Looks at the line in the middle of each bit, as a peer with an exact clock would.
    task automatic watch_one_frame();
        logic [7:0] value;
        logic [7:0] want;
        @(negedge txd);
        #(bit_ns / 2.0);
        if (txd !== 1'b0) $error("tx: start bit shorter than half a bit");
        for (int i = 0; i < 8; i++) begin
            #(bit_ns);
            value[i] = txd;
        end
        #(bit_ns);
        if (txd !== 1'b1) $error("tx: stop bit is low");
        if (sent_to_line.size() == 0) $error("tx: frame 0x%02x that nobody asked for", value);
        want = sent_to_line.pop_front();
        if (value !== want) $error("tx: line has 0x%02x, expected 0x%02x", value, want);
        bytes_on_line++;
    endtask

    always watch_one_frame();

    // ---- the line to the receiver ---------------------------------------------------------------

    // One frame from a peer whose clock is off by up to 2 % and whose every edge is off by up to
    // 4 % of a bit. A frame with a low stop bit is followed by a high line, as real peers recover.
    task automatic drive_frame(input logic [7:0] value, input bit bad_stop);
        logic [9:0] frame = {!bad_stop, value, 1'b0};
        realtime    period = bit_ns * (1.0 + 0.02 * noise());
        realtime    begin_ns = $realtime;
        for (int i = 0; i < 10; i++) begin
            rxd = frame[i];
            #(begin_ns + period * (real'(i + 1) + 0.04 * noise()) - $realtime);
        end
        rxd = 1'b1;
        if (bad_stop) wait_bits(2);
    endtask

    task automatic drive_random(input int unsigned count, input int unsigned bad_pct,
                                input int unsigned pause_pct);
        for (int unsigned i = 0; i < count; i++) begin
            logic [7:0] value = 8'($urandom);
            bit         bad = chance(bad_pct);
            while (rts_n) begin
                rts_obeyed = 1'b1;
                @(negedge clk);
            end
            sent_to_host.push_back({bad, value});
            drive_frame(value, bad);
            if (chance(pause_pct)) wait_bits($urandom_range(20));
        end
    endtask

    // ---- host side of the receiver --------------------------------------------------------------

    always @(posedge clk) begin
        if (rst_n && rx_valid && rx_ready) check_received({rx_frame_error, rx_data});
        rx_ready <= chance(consumer_pct);
    end

    task automatic check_received(input logic [8:0] got);
        logic [8:0] want;
        if (sent_to_host.size() == 0) $error("rx: byte 0x%02x that nobody sent", got[7:0]);
        want = sent_to_host.pop_front();
        if (got[8] !== want[8]) $error("rx: frame error is %b, expected %b", got[8], want[8]);
        if (got[7:0] !== want[7:0])
            $error("rx: host has 0x%02x, expected 0x%02x", got[7:0], want[7:0]);
        bytes_to_host++;
        if (got[8]) frame_errors++;
    endtask

    always @(posedge clk) if (rst_n) begin
        if (rx_overrun) begin
            drops++;
            if (drops > drop_expected) $error("rx: overrun although the peer obeyed rts_n");
        end
        if (!tx_ready) tx_full_seen++;
        if (rx_valid && rts_n) rts_seen++;
        if (cts_n && txd && !tx_idle) cts_held_seen++;
    end

    cover_tx_fifo_full:  cover property (@(posedge clk) !tx_ready);
    cover_tx_idle:       cover property (@(posedge clk) rst_n && tx_idle);
    cover_rx_fifo_empty: cover property (@(posedge clk) rst_n && !rx_valid);
    cover_rts_back_off:  cover property (@(posedge clk) rx_valid && rts_n);
    cover_cts_holds:     cover property (@(posedge clk) cts_n && txd && !tx_idle);
    cover_frame_error:   cover property (@(posedge clk) rx_valid && rx_frame_error);
    cover_overrun:       cover property (@(posedge clk) rx_overrun);

    // ---- the tests ------------------------------------------------------------------------------

    task automatic drain();
        consumer_pct = 100;
        while (!tx_idle || sent_to_line.size() != 0 || sent_to_host.size() != 0) @(posedge clk);
        wait_bits(2);
        @(negedge clk);
    endtask

    task automatic reset_with_new_speed();
        consumer_pct = 0;
        rst_n   = 1'b0;
        divisor = DIV_BITS'($urandom_range(4, 1));
        repeat (4) @(negedge clk);
        bit_ns = CLOCK_NS * 16.0 * (real'(divisor) + 1.0);
        rst_n = 1'b1;
        wait_bits(2);  // the receiver arms itself on a high line
        @(negedge clk);
    endtask

    // Both ways at once, peer and host both slow at times, cts_n going up and down.
    task automatic test_random_duplex();
        writer_done = 1'b0;
        driver_done = 1'b0;
        fork
            begin
                host_write_random(RANDOM_BYTES, $urandom_range(60));
                writer_done = 1'b1;
            end
            begin
                drive_random(RANDOM_BYTES, 10, $urandom_range(60));
                driver_done = 1'b1;
            end
            while (!driver_done) begin
                consumer_pct = chance(60) ? 0 : $urandom_range(40, 1);
                repeat ($urandom_range(12)) wait_bits(10);
            end
            while (!writer_done) begin
                repeat ($urandom_range(3000, 100)) @(negedge clk);
                cts_n = chance(30);
            end
        join
        cts_n = 1'b0;
        drain();
    endtask

    // With cts_n high nothing may leave, and the FIFO must take exactly DEPTH bytes.
    task automatic test_transmit_back_pressure();
        int unsigned at_start;
        cts_n = 1'b1;
        repeat (8) @(negedge clk);
        at_start = bytes_on_line;
        for (int unsigned i = 0; i < DEPTH; i++) begin
            if (32'(tx_level) != i) $error("tx: level is %0d, expected %0d", tx_level, i);
            if (!tx_ready) $error("tx: full after %0d bytes, expected %0d", i, DEPTH);
            host_write(8'($urandom));
        end
        if (tx_ready) $error("tx: not full after %0d bytes", DEPTH);
        wait_bits(30);
        if (bytes_on_line != at_start) $error("tx: a frame left while cts_n was high");
        cts_n = 1'b0;
        drain();
        if (bytes_on_line != at_start + DEPTH) $error("tx: bytes lost behind cts_n");
    endtask

    // A host that takes nothing: the peer must be stopped before it loses a byte.
    task automatic test_receive_back_pressure();
        consumer_pct = 0;
        fork
            drive_random(DEPTH + 2, 0, 0);
            begin
                wait_bits(11 * (DEPTH + 2));
                if (!rts_n) $error("rx: rts_n low although the host takes nothing");
                consumer_pct = 100;
            end
        join
        drain();
    endtask

    // A peer that ignores rts_n: the first DEPTH bytes stay, each further one is one overrun.
    task automatic test_overrun();
        int unsigned extra = $urandom_range(4, 1);
        int unsigned at_start = drops;
        consumer_pct = 0;
        repeat (2) @(posedge clk);
        drop_expected = drops + extra;
        for (int unsigned i = 0; i < DEPTH + extra; i++) begin
            logic [7:0] value = 8'($urandom);
            if (i < DEPTH) sent_to_host.push_back({1'b0, value});
            drive_frame(value, 1'b0);
            wait_bits(1);
            if (i == DEPTH - 1) rx_full_seen++;
        end
        if (!rts_n) $error("rx: rts_n low although the FIFO is full");
        if (drops != at_start + extra)
            $error("rx: %0d overruns, expected %0d", drops - at_start, extra);
        drain();
    endtask

    // A wrong stop bit marks its own byte and no other.
    task automatic test_framing_error();
        consumer_pct = 100;
        for (int unsigned i = 0; i < 3; i++) begin
            logic [7:0] value = 8'($urandom);
            sent_to_host.push_back({i == 1, value});
            drive_frame(value, i == 1);
        end
        drain();
    endtask

    // A low line of many frames is one byte 0x00 with an error, not a stream of them.
    task automatic test_break();
        sent_to_host.push_back({1'b1, 8'h00});
        rxd = 1'b0;
        wait_bits($urandom_range(60, 12));
        rxd = 1'b1;
        wait_bits(2);
        drain();
    endtask

    // Low pulses shorter than 0.4 bit are noise.
    task automatic test_glitches();
        int unsigned at_start = bytes_to_host;
        repeat (5) begin
            rxd = 1'b0;
            #(bit_ns * (0.05 + 0.17 * (1.0 + noise())));
            rxd = 1'b1;
            wait_bits(2);
            glitches++;
        end
        wait_bits(12);
        if (bytes_to_host != at_start) $error("rx: a glitch became a byte");
        drive_random(1, 0, 0);
        drain();
    endtask

    // Each kind of event must really have happened, or the seed proves less than it says.
    task automatic check_coverage();
        if (tx_full_seen == 0) $error("coverage: the transmit FIFO was never full");
        if (rx_full_seen == 0) $error("coverage: the receive FIFO was never full");
        if (!rts_obeyed) $error("coverage: the peer never had to wait for rts_n");
        if (rts_seen == 0) $error("coverage: rts_n never held the peer back");
        if (cts_held_seen == 0) $error("coverage: cts_n never held a frame back");
        if (frame_errors == 0) $error("coverage: no framing error was received");
        if (drops == 0) $error("coverage: no overrun was seen");
        if (bytes_on_line < RANDOM_BYTES + DEPTH) $error("coverage: too few bytes sent");
    endtask

    initial begin
        repeat (WATCHDOG_CLOCKS) @(posedge clk);
        $fatal(1, "watchdog: no end after %0d clocks", WATCHDOG_CLOCKS);
    end

    initial begin
        reset_with_new_speed();
        test_random_duplex();
        test_transmit_back_pressure();
        test_receive_back_pressure();
        test_overrun();
        test_framing_error();
        reset_with_new_speed();
        test_break();
        test_glitches();
        test_random_duplex();
        check_coverage();
        $display("divisor %0d, sent %0d, received %0d", divisor, bytes_on_line, bytes_to_host);
        $display("framing errors %0d, overruns %0d, glitches %0d", frame_errors, drops, glitches);
        $display("TEST PASSED");
        $finish;
    end
endmodule
