`timescale 1ns / 1ps

// Picks the byte, half or word that a load asks for out of the memory's word.
//
// RV32_BUG_LB_SIGN builds the variant with a seeded bug: LB at an odd address takes its sign from
// the byte below the right one. It shows only where the two bytes differ in sign.
module rv32_load (
    input  logic [31:0] word,
    input  logic [1:0]  offset,
    input  logic [2:0]  funct3,
    output logic [31:0] value
);
    logic [15:0] half;
    logic [7:0]  octet;
    logic        octet_sign;

    assign half  = offset[1] ? word[31:16] : word[15:0];
    assign octet = offset[0] ? half[15:8] : half[7:0];
`ifdef RV32_BUG_LB_SIGN
    assign octet_sign = half[7];
`else
    assign octet_sign = octet[7];
`endif

    always_comb begin
        case (funct3)
            3'd0:    value = {{24{octet_sign}}, octet};
            3'd1:    value = {{16{half[15]}}, half};
            3'd4:    value = {24'd0, octet};
            3'd5:    value = {16'd0, half};
            default: value = word;
        endcase
    end
endmodule
