`timescale 1ns / 1ps

// The arithmetic and the comparisons of RV32I. `funct3` is that of the instruction; `alternate` is
// bit 30 of it where that bit has a meaning: SUB instead of ADD, SRA instead of SRL.
module rv32_alu (
    input  logic [31:0] a,
    input  logic [31:0] b,
    input  logic [2:0]  funct3,
    input  logic        alternate,
    output logic [31:0] result,
    output logic        equal,
    output logic        less_signed,
    output logic        less_unsigned
);
    logic [32:0] difference;

    // The borrow tells the unsigned order; the signs of both sides mend it for the signed one.
    assign difference    = {1'b0, a} - {1'b0, b};
    assign equal         = (a == b);
    assign less_unsigned = difference[32];
    assign less_signed   = (a[31] != b[31]) ? a[31] : difference[32];

    always_comb begin
        case (funct3)
            3'd0:    result = alternate ? difference[31:0] : a + b;
            3'd1:    result = a << b[4:0];
            3'd2:    result = {31'd0, less_signed};
            3'd3:    result = {31'd0, less_unsigned};
            3'd4:    result = a ^ b;
            3'd5:    result = alternate ? $unsigned($signed(a) >>> b[4:0]) : a >> b[4:0];
            3'd6:    result = a | b;
            default: result = a & b;
        endcase
    end
endmodule
