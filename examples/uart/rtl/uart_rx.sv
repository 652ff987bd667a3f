// Receives 8N1 frames at sixteen ticks a bit. Each bit is the majority of three samples about its
// middle, so one noisy sample does no harm, and a low pulse under half a bit starts no frame.
// `valid` is high for one clock; `frame_error` then says that the stop bit was low. After such a
// frame the line must be high again before the next start bit is looked for (a break is one error).
`timescale 1ns / 1ps

module uart_rx (
    input  logic       clk,
    input  logic       rst_n,
    input  logic       tick,
    input  logic       rxd,
    output logic       valid,
    output logic [7:0] data,
    output logic       frame_error
);
    typedef enum logic [1:0] {IDLE, START, DATA, STOP} state_t;

    state_t     state;
    logic [1:0] sync;
    logic [3:0] phase;
    logic [2:0] index;
    logic [1:0] samples;
    logic       line;
    logic       majority;
    logic       armed;

    assign line     = sync[1];
    assign majority = (samples[0] && samples[1]) || (samples[0] && line) || (samples[1] && line);

    // The line belongs to another clock: two flip-flops before anything looks at it.
    always_ff @(posedge clk) begin
        if (!rst_n) sync <= 2'b11;
        else        sync <= {sync[0], rxd};
    end

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            state       <= IDLE;
            phase       <= 4'd0;
            index       <= 3'd0;
            samples     <= 2'b11;
            armed       <= 1'b0;
            valid       <= 1'b0;
            data        <= 8'd0;
            frame_error <= 1'b0;
        end else begin
            valid <= 1'b0;
            if (tick) begin
                phase   <= phase + 4'd1;
                samples <= {samples[0], line};
                case (state)
                    IDLE: begin
                        phase <= 4'd0;
                        armed <= armed || line;
                        if (armed && !line) state <= START;
                    end
                    START: begin
                        if (phase == 4'd8 && majority) state <= IDLE;
                        else if (phase == 4'd15) state <= DATA;
                        index <= 3'd0;
                    end
                    DATA: begin
                        if (phase == 4'd8) data <= {majority, data[7:1]};
                        if (phase == 4'd15) begin
                            index <= index + 3'd1;
                            if (index == 3'd7) state <= STOP;
                        end
                    end
                    STOP: begin
                        // Not the whole stop bit: a fast sender's next start bit may come early.
                        if (phase == 4'd8) begin
                            valid       <= 1'b1;
                            frame_error <= !majority;
                            armed       <= majority;
                            state       <= IDLE;
                        end
                    end
                    default: state <= IDLE;
                endcase
            end
        end
    end
endmodule
