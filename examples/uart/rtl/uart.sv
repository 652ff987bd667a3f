// UART, 8N1, with a FIFO each way and hardware flow control.
//
// Streams: a byte moves when `valid` and `ready` are both high on a clock edge.
// Line speed: clock / (16 * (divisor + 1)). Change `divisor` only while both ways are idle.
// `cts_n` high holds the next frame back; `rts_n` goes high when the receive FIFO has no room for
// two more bytes (the peer may have begun one). A byte that finds the FIFO full is dropped and
// `rx_overrun` is high for one clock. Each received byte carries its own `rx_frame_error`.
`timescale 1ns / 1ps

module uart #(
    parameter int unsigned FIFO_LOG2 = 3,
    parameter int unsigned DIV_BITS  = 12
) (
    input  logic                clk,
    input  logic                rst_n,
    input  logic [DIV_BITS-1:0] divisor,

    input  logic                tx_valid,
    input  logic [7:0]          tx_data,
    output logic                tx_ready,
    output logic                tx_idle,
    output logic [FIFO_LOG2:0]  tx_level,

    output logic                rx_valid,
    output logic [7:0]          rx_data,
    output logic                rx_frame_error,
    input  logic                rx_ready,
    output logic                rx_overrun,

    output logic                txd,
    input  logic                rxd,
    input  logic                cts_n,
    output logic                rts_n
);
    localparam logic [FIFO_LOG2:0] RTS_LEVEL = (1 << FIFO_LOG2) - 2;

    logic               tick;
    logic               tx_full;
    logic               tx_empty;
    logic               tx_pop;
    logic               tx_busy;
    logic [7:0]         tx_byte;
    logic               rx_full;
    logic               rx_empty;
    logic               rx_push;
    logic [7:0]         rx_byte;
    logic               rx_byte_error;
    logic [FIFO_LOG2:0] rx_level;
    logic [1:0]         cts_sync;

    assign tx_ready = !tx_full;
    assign tx_idle  = tx_empty && !tx_busy;
    assign rx_valid = !rx_empty;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            cts_sync   <= 2'b00;
            rts_n      <= 1'b1;
            rx_overrun <= 1'b0;
        end else begin
            cts_sync   <= {cts_sync[0], !cts_n};
            rts_n      <= (rx_level > RTS_LEVEL);
            rx_overrun <= rx_push && rx_full;
        end
    end

    uart_baud #(.DIV_BITS(DIV_BITS)) baud (.clk, .rst_n, .divisor, .tick);

    uart_fifo #(.LOG2(FIFO_LOG2), .WIDTH(8)) tx_fifo (
        .clk, .rst_n,
        .push(tx_valid), .wdata(tx_data),
        .pop(tx_pop), .rdata(tx_byte),
        .full(tx_full), .empty(tx_empty), .level(tx_level)
    );

    uart_tx tx (
        .clk, .rst_n, .tick,
        .clear_to_send(cts_sync[1]),
        .valid(!tx_empty), .data(tx_byte), .ready(tx_pop),
        .busy(tx_busy), .txd
    );

    uart_rx rx (
        .clk, .rst_n, .tick, .rxd,
        .valid(rx_push), .data(rx_byte), .frame_error(rx_byte_error)
    );

    uart_fifo #(.LOG2(FIFO_LOG2), .WIDTH(9)) rx_fifo (
        .clk, .rst_n,
        .push(rx_push), .wdata({rx_byte_error, rx_byte}),
        .pop(rx_ready), .rdata({rx_frame_error, rx_data}),
        .full(rx_full), .empty(rx_empty), .level(rx_level)
    );
endmodule
