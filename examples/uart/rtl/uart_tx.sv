// Sends 8N1 frames, least significant bit first. Takes a byte (`ready` and `valid` high on the same
// clock) only between frames and only while `clear_to_send` is high: a frame begun is never cut.
`timescale 1ns / 1ps

module uart_tx (
    input  logic       clk,
    input  logic       rst_n,
    input  logic       tick,
    input  logic       clear_to_send,
    input  logic       valid,
    input  logic [7:0] data,
    output logic       ready,
    output logic       busy,
    output logic       txd
);
    logic [9:0] frame;      // stop bit, data, start bit; shifted out to the right, filled with ones
    logic [3:0] bits_left;  // 0: between frames
    logic [3:0] phase;      // ticks sent of the bit on the line

    assign ready = !busy && clear_to_send && tick;
    assign busy  = (bits_left != 4'd0);
    assign txd   = !busy || frame[0];

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            frame     <= '1;
            bits_left <= 4'd0;
            phase     <= 4'd0;
        end else if (tick) begin
            if (!busy) begin
                if (valid && clear_to_send) begin
                    frame     <= {1'b1, data, 1'b0};
                    bits_left <= 4'd10;
                    phase     <= 4'd0;
                end
            end else begin
                phase <= phase + 4'd1;
                if (phase == 4'd15) begin
                    frame     <= {1'b1, frame[9:1]};
                    bits_left <= bits_left - 4'd1;
                end
            end
        end
    end
endmodule
