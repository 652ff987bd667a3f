// LINK: cq_local
/* Frames between a command and its helper, in pieces and broken, and where a helper may listen. */
#include "common/client/local.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/wire/message.h"

Test(local, a_frame_comes_whole_whatever_pieces_it_arrives_in)
{
    struct cq_str out = {0}, in = {0};
    struct local_piece p;
    local_add(&out, LOCAL_MESSAGE, "abc", 3);
    local_add(&out, LOCAL_STATE, "\0", 1);
    size_t seen = 0;
    for (size_t i = 0; i < out.len; i++) {
        size_t at = 0;
        cq_str_append(&in, out.data + i, 1);
        if (local_next(&in, &at, &p) != 1)
            continue;
        seen++;
        cr_assert_eq(p.type, seen == 1 ? LOCAL_MESSAGE : LOCAL_STATE);
        cr_assert_eq(p.bytes, seen == 1 ? 3u : 1u);
        cr_assert_eq(memcmp(p.data, seen == 1 ? "abc" : "\0", p.bytes), 0);
        local_drop(&in, at);
        cr_assert_eq(in.len, 0u);
    }
    cr_assert_eq(seen, 2u);
    cq_str_fini(&out);
    cq_str_fini(&in);
}

Test(local, more_than_a_message_is_no_frame)
{
    struct cq_str in = {0};
    struct local_piece p;
    size_t at = 0;
    cq_str_append(&in, "M\x01\x00\x10\x00", 5); /* WIRE_FRAME_MAX + 1 */
    cr_assert_eq(local_next(&in, &at, &p), -1);
    cq_str_clear(&in);
    cq_str_append(&in, "M\x00\x00\x10\x00", 5);
    cr_assert_eq(local_next(&in, &at, &p), 0);
    cr_assert_eq(at, 0u);
    cq_str_fini(&in);
}

static struct curve_key some_key(char first)
{
    struct curve_key k = {.n_servers = 1, .endpoint = "tcp://farm:7077"};
    memset(k.public_key, 'a', CURVE_Z85_CHARS);
    memset(k.servers[0], 'b', CURVE_Z85_CHARS);
    k.public_key[0] = first;
    return k;
}

Test(local, a_place_of_ones_own_for_each_key)
{
    char dir[] = "/tmp/cq-local-XXXXXX";
    struct curve_key a = some_key('a'), b = some_key('b');
    cr_assert_not_null(mkdtemp(dir));
    setenv("XDG_RUNTIME_DIR", dir, 1);
    char *of_a = local_path(&a), *of_b = local_path(&b), *again = local_path(&a);
    cr_assert(cq_str_starts(of_a, dir));
    cr_assert_str_neq(of_a, of_b);
    cr_assert_str_eq(of_a, again);
    (void)snprintf(a.endpoint, sizeof a.endpoint, "tcp://other:7077");
    char *elsewhere = local_path(&a);
    cr_assert_str_neq(of_a, elsewhere);
    char *place = path_format("%s/chipq", dir);
    cr_assert_eq(chmod(place, 0750), 0);
    cr_assert_null(local_path(&a), "a directory that a group may enter is not used");
    cr_assert_eq(dir_remove(dir, NULL), 0);
    free(of_a), free(of_b), free(again), free(elsewhere), free(place);
}
