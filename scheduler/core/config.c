/* Changes of configuration. (Being built: every call refuses.) */
#include "scheduler/core/config.h"

#include "scheduler/core/core_state.h"

static void refuse(struct effects *out, const struct input *in)
{
    struct cq_err err;
    (void)cq_fail(&err, CQ_E_INTERNAL, "not there yet");
    core_reply(out, in->request, &err);
}

void config_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    (void)c, (void)now;
    refuse(out, in);
}

void licence_feed_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    (void)c, (void)in, (void)now, (void)out;
}

void reservation_add_step(struct core *c, const struct input *in, struct now now,
                          struct effects *out)
{
    (void)c, (void)now;
    refuse(out, in);
}

void reservation_remove_step(struct core *c, const struct input *in, struct now now,
                             struct effects *out)
{
    (void)c, (void)now;
    refuse(out, in);
}

void core_each_share(const struct core *c, struct now now, share_view_fn fn, void *arg)
{
    (void)c, (void)now, (void)fn, (void)arg;
}

void core_each_quota(const struct core *c, struct now now, quota_view_fn fn, void *arg)
{
    (void)c, (void)now, (void)fn, (void)arg;
}

void core_each_feature(const struct core *c, struct now now, feature_view_fn fn, void *arg)
{
    (void)c, (void)now, (void)fn, (void)arg;
}

void core_each_reservation(const struct core *c, struct now now, reservation_view_fn fn, void *arg)
{
    (void)c, (void)now, (void)fn, (void)arg;
}

void core_each_setting(const struct core *c, setting_view_fn fn, void *arg)
{
    (void)c, (void)fn, (void)arg;
}

const char *core_feed_command(const struct core *c, int64_t *every_us)
{
    (void)c, (void)every_us;
    return NULL;
}

unsigned usage_wait_bucket(uint64_t wait_us)
{
    (void)wait_us;
    return 0;
}

uint64_t usage_wait_of_bucket(unsigned bucket)
{
    return bucket;
}

void core_take_usage(struct core *c, usage_view_fn fn, void *arg)
{
    (void)c, (void)fn, (void)arg;
}

bool core_expect_start(const struct core *c, struct job_id id, struct now now,
                       struct start_estimate *e)
{
    (void)c, (void)id, (void)now, (void)e;
    return false;
}
