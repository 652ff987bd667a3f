// Sixteen ticks per bit: `tick` is high for one clock in every `divisor` + 1.
`timescale 1ns / 1ps

module uart_baud #(
    parameter int unsigned DIV_BITS = 12
) (
    input  logic                clk,
    input  logic                rst_n,
    input  logic [DIV_BITS-1:0] divisor,
    output logic                tick
);
    logic [DIV_BITS-1:0] count;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            count <= '0;
            tick  <= 1'b0;
        end else if (count == '0) begin
            count <= divisor;
            tick  <= 1'b1;
        end else begin
            count <= count - 1'b1;
            tick  <= 1'b0;
        end
    end
endmodule
