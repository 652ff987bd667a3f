// The main of every simulation that chipq-tool-verilator builds. Verilator 5.006's own --main writes no
// coverage, keeps no waves when a test aborts, and cannot be stopped softly. Here coverage.dat and the
// waves are written whether the simulation finishes, fails ($error and $fatal abort) or is stopped.
//
//   +chipq_coverage=FILE   where coverage goes (built with coverage)
//   +chipq_waves=FILE      record waves, FST (built with --trace-fst)
//   +verilator+seed+N      seed of $random and $urandom, read by the Verilator library

#include "Vsim.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

namespace
{

volatile std::sig_atomic_t stop_wanted = 0;

extern "C" void on_stop(int)
{
    stop_wanted = 1;
}

std::string plus_value(VerilatedContext &context, const char *name)
{
    const std::string prefix = std::string{"+"} + name;
    const std::string match = context.commandArgsPlusMatch(name);
    return match.compare(0, prefix.size(), prefix) == 0 ? match.substr(prefix.size()) : "";
}

// What must reach the disk once, on whichever way out comes first.
struct Records {
    std::string coverage_file;
    VerilatedContext *context = nullptr;
#if VM_TRACE_FST
    VerilatedFstC *waves = nullptr;
#endif
    bool saved = false;

    void save()
    {
        if (saved)
            return;
        saved = true;
#if VM_TRACE_FST
        if (waves)
            waves->close();
#endif
#if VM_COVERAGE
        if (!coverage_file.empty())
            context->coveragep()->write(coverage_file.c_str());
#endif
    }
};

// The library runs this before it aborts.
void on_exit_save(void *records)
{
    static_cast<Records *>(records)->save();
}

} // namespace

int main(int argc, char **argv)
{
    struct sigaction action = {};
    action.sa_handler = on_stop;
    sigaction(SIGTERM, &action, nullptr);
    setvbuf(stdout, nullptr, _IOLBF, 0);

    const std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    context->commandArgs(argc, argv);
#if VM_TRACE
    context->traceEverOn(true);
#endif
    const std::unique_ptr<Vsim> model{new Vsim{context.get(), "TOP"}};

    Records records;
    records.context = context.get();
    records.coverage_file = plus_value(*context, "chipq_coverage=");
#if VM_TRACE_FST
    VerilatedFstC waves;
    const std::string waves_file = plus_value(*context, "chipq_waves=");
    if (!waves_file.empty()) {
        model->trace(&waves, 99);
        waves.open(waves_file.c_str());
        records.waves = &waves;
    }
#endif
    Verilated::addExitCb(on_exit_save, &records);

    while (!context->gotFinish() && !stop_wanted) {
        model->eval();
#if VM_TRACE_FST
        if (records.waves)
            waves.dump(context->time());
#endif
        if (!model->eventsPending())
            break;
        context->time(model->nextTimeSlot());
    }
    const bool finished = context->gotFinish();
    model->final();
    records.save();
    if (stop_wanted) {
        std::printf("chipq-sim: stopped at time %llu\n",
                    static_cast<unsigned long long>(context->time()));
        return 143;
    }
    if (!finished)
        std::printf("chipq-sim: ended without $finish: no more events\n");
    return 0;
}
