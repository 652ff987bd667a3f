/* The synthesis script: liberty first (else `check` calls cell outputs undriven), sources,
 * synthesis, mapping, statistics, netlists. */
#include "plugins/yosys/yosys.h"

#include "common/base/pure/mem.h"

/* yosys splits its script at blanks and ends a command at ';' or '#'. */
static int check_word(const char *where, const char *text, struct cq_err *err)
{
    const char *bad = strpbrk(text, " \t\";#\\'$`");
    if (!bad && *text)
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "%s: yosys cannot take '%.200s' (no blanks, quotes, ; # \\ $)", where, text);
}

static int add_input_words(const struct run *run, const char *name, const char *prefix,
                           struct cq_str *out, struct cq_err *err)
{
    struct args CQ_CLEANUP(args_fini) words = {0};
    if (run_inputs(run, name, prefix, &words, err))
        return -1;
    for (size_t i = 0; i < words.count; i++) {
        if (check_word(name, words.items[i], err))
            return -1;
        cq_str_printf(out, " %s", words.items[i]);
    }
    return 0;
}

static int add_defines(const struct run *run, struct cq_str *out, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "defines"); i++) {
        const char *define = params_item(&run->params, "defines", i);
        if (check_word("params.defines", define, err))
            return -1;
        cq_str_printf(out, " -D%s", define);
    }
    return 0;
}

static int add_parameters(const struct run *run, struct cq_str *out, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    for (size_t i = 0; i < params_count(&run->params, "parameters"); i++) {
        char value[PARAM_TEXT_MAX + 1];
        const char *key = params_entry(&run->params, "parameters", i, value, sizeof value);
        if (run_check_identifier("params.parameters", key, err)
            || check_word("params.parameters", value, err))
            return -1;
        cq_str_printf(out, "chparam -set %s %s %s\n", key, value, top);
    }
    return 0;
}

static int add_reading(const struct run *run, const char *liberty, struct cq_str *out,
                       struct cq_err *err)
{
    cq_str_printf(out, "read_liberty -lib %s\nread_verilog -sv", liberty);
    if (add_defines(run, out, err) || add_input_words(run, "includes", "-I", out, err)
        || add_input_words(run, "sources", "", out, err))
        return -1;
    cq_str_add(out, "\n");
    return add_parameters(run, out, err);
}

int synth_script(const struct run *run, struct cq_str *out, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    char *CQ_CLEANUP(cq_free_ptr) lib = NULL;
    if (run_check_identifier("params.top", top, err) || run_input(run, "liberty", &lib, err)
        || check_word("params.liberty", lib, err) || add_reading(run, lib, out, err))
        return -1;
    const char *flatten = params_bool(&run->params, "flatten") ? "-flatten " : "";
    cq_str_printf(out,
                  "synth %s-top %s\n"
                  "dfflibmap -liberty %s\n"
                  "abc -liberty %s\n"
                  "opt_clean -purge\n"
                  "tee -o stat.json stat -liberty %s -json\n"
                  "tee -o out/stat.txt stat -liberty %s\n"
                  "tee -o out/check.txt check\n"
                  "write_json out/%s.json\n"
                  "write_verilog -noattr out/%s_sim.v\n",
                  flatten, top, lib, lib, lib, lib, top, top);
    /* What simple readers take, OpenSTA among them: single nets, no expressions, no literals. */
    cq_str_printf(out,
                  "splitnets -ports\n"
                  "setundef -zero\n"
                  "clean -purge\n"
                  "write_verilog -noattr -noexpr -nohex -nodec out/%s.v\n",
                  top);
    return 0;
}
