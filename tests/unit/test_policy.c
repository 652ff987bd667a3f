// LINK: cq_core
/* Placement's small languages: features of a node, wishes about topology. */
#include <criterion/criterion.h>

#include "scheduler/core/placement.h"

static const char features[] = "gpu\ntool=yosys=0.23\ntool=verilator=5.006\nos=debian";

Test(policy, features_match_by_name_value_and_version)
{
    static const struct {
        const char *wanted;
        bool has;
    } rows[] = {
        {"", true},
        {"gpu", true},
        {"gp", false},
        {"gpux", false},
        {"tool=yosys", true},
        {"tool=yos", false},
        {"tool=yosys=0.23", true},
        {"tool=yosys=0.24", false},
        {"tool=yosys>=0.9", true},
        {"tool=yosys>=0.23", true},
        {"tool=yosys>=0.23.1", false},
        {"tool=yosys>=1", false},
        {"tool=verilator>=5", true},
        {"tool=verilator>=5.6", true},
        {"tool=verilator>=5.7", false},
        {"gpu\ntool=yosys", true},
        {"gpu\nfpga", false},
        {"os", true},
        {"gpu>=1", false},
    };
    for (size_t i = 0; i < CQ_COUNT(rows); i++)
        cr_expect_eq(placement_has_features(features, rows[i].wanted), rows[i].has, "%s",
                     rows[i].wanted);
    cr_expect_not(placement_has_features("", "gpu"));
}

Test(policy, features_are_checked_before_they_are_queued)
{
    cr_expect(placement_feature_is_valid("gpu"));
    cr_expect(placement_feature_is_valid("tool=verilator>=5"));
    const char *const bad[] = {"", "a b", "tool>", "tool>=", ">=5", "a\x1b", "caf\xc3\xa9"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_expect_not(placement_feature_is_valid(bad[i]), "%s", bad[i]);
}

