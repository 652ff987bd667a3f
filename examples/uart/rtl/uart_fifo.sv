// Synchronous FIFO of 2**LOG2 words. `rdata` shows the oldest word while `empty` is low.
// A push while full and a pop while empty are ignored, so the user need not guard them.
`timescale 1ns / 1ps

module uart_fifo #(
    parameter int unsigned LOG2  = 3,
    parameter int unsigned WIDTH = 8
) (
    input  logic             clk,
    input  logic             rst_n,
    input  logic             push,
    input  logic [WIDTH-1:0] wdata,
    input  logic             pop,
    output logic [WIDTH-1:0] rdata,
    output logic             full,
    output logic             empty,
    output logic [LOG2:0]    level
);
    logic [WIDTH-1:0] words [2**LOG2];
    // One bit more than the index: equal indexes with unequal top bits mean full, not empty.
    logic [LOG2:0] head;
    logic [LOG2:0] tail;
    logic          do_push;
    logic          do_pop;

    assign level   = tail - head;
    assign empty   = (head == tail);
    assign full    = level[LOG2];
    assign do_push = push && !full;
    assign do_pop  = pop && !empty;
    assign rdata   = words[head[LOG2-1:0]];

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            head <= '0;
            tail <= '0;
        end else begin
            if (do_push) tail <= tail + 1'b1;
            if (do_pop)  head <= head + 1'b1;
        end
    end

    // The words need no reset: none is readable before it was written.
    always_ff @(posedge clk) begin
        if (do_push) words[tail[LOG2-1:0]] <= wdata;
    end
endmodule
