# 200 MHz at the library's typical corner. Times in ns, loads in pF.
create_clock -name clk -period 5.0 [get_ports clk]

# No wires and an ideal clock: a tenth of the period stands for skew, jitter and what wires will
# add.
set_clock_uncertainty -setup 0.5 [get_clocks clk]

# The neighbours on the chip have a fifth of the period on each side.
set_input_delay 1.0 -clock clk [get_ports {rst_n divisor* tx_valid tx_data* rx_ready rxd cts_n}]
set_output_delay 1.0 -clock clk [all_outputs]
set_input_transition 0.1 [all_inputs]
set_load 0.05 [all_outputs]

# The line is asynchronous: synchronisers take it in, so there is no edge to meet.
set_false_path -from [get_ports {rxd cts_n}]
