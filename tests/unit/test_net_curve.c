// LINK: cq_net
/* Key files: what is read, and what is refused before it is believed. */
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/net/curve.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char *path;
static struct curve_key key;

static void set_up(void)
{
    (void)cq_copy_text(dir, sizeof dir, "/tmp/chipq-test-curve-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    path = path_format("%s/user.key", dir);
    cr_assert_eq(curve_key_generate(&key, NULL), 0);
    (void)cq_copy_text(key.principal, sizeof key.principal, "acme/ann");
    (void)cq_copy_text(key.role, sizeof key.role, "designer");
    (void)cq_copy_text(key.endpoint, sizeof key.endpoint, "ipc:///run/chipq/client.sock");
    memcpy(key.servers[0], key.public_key, sizeof key.public_key);
    memcpy(key.servers[1], key.secret_key, sizeof key.public_key);
    key.n_servers = 2;
}

static void tear_down(void)
{
    cr_assert_eq(dir_remove(dir, NULL), 0);
    free(path);
}

TestSuite(net_curve, .init = set_up, .fini = tear_down);

Test(net_curve, a_key_comes_back_as_it_was_written)
{
    struct curve_key back;
    struct cq_err err = {0};
    struct stat st;
    cr_assert_eq(curve_key_write(path, &key, &err), 0, "%s", err.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(curve_key_read(path, &back, &err), 0, "%s", err.text);
    cr_assert_str_eq(back.principal, "acme/ann");
    cr_assert_str_eq(back.role, "designer");
    cr_assert_str_eq(back.public_key, key.public_key);
    cr_assert_str_eq(back.secret_key, key.secret_key);
    cr_assert_eq(back.n_servers, 2);
    cr_assert_str_eq(back.servers[1], key.servers[1]);
    cr_assert_str_eq(back.endpoint, key.endpoint);
}

static void read_fails(enum cq_code code, const char *words)
{
    struct curve_key back;
    struct cq_err err = {0};
    cr_assert_eq(curve_key_read(path, &back, &err), -1);
    cr_assert_eq(err.code, code, "%s", err.text);
    cr_assert(strstr(err.text, words) != NULL, "'%s' has no '%s'", err.text, words);
    cr_assert(strstr(err.text, key.secret_key) == NULL);
}

Test(net_curve, files_that_others_can_reach_are_refused)
{
    cr_assert_eq(curve_key_write(path, &key, NULL), 0);
    cr_assert_eq(chmod(path, 0640), 0);
    read_fails(CQ_E_DENIED, "chmod 600");
    cr_assert_eq(chmod(path, 0602), 0);
    read_fails(CQ_E_DENIED, "chmod 600");
    cr_assert_eq(chmod(path, 0600), 0);
    cr_assert_eq(chmod(dir, 0770), 0);
    read_fails(CQ_E_DENIED, "chmod go-w");
    cr_assert_eq(chmod(dir, 0700), 0);
    char *target = path_format("%s/real.key", dir);
    cr_assert_eq(rename(path, target), 0);
    read_fails(CQ_E_NOT_FOUND, "user.key");
    cr_assert_eq(symlink(target, path), 0);
    read_fails(CQ_E_IO, "user.key");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    read_fails(CQ_E_INVALID, "not a regular file");
    free(target);
}

static void parse_fails(const char *text, const char *words)
{
    struct curve_key back = {.role = "old"};
    struct cq_err err = {0};
    cr_assert_eq(curve_key_parse(text, strlen(text), &back, &err), -1, "%s", text);
    cr_assert(strstr(err.text, words) != NULL, "'%s' has no '%s'", err.text, words);
    cr_assert_str_eq(back.role, "old");
}

#define Z85_KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

Test(net_curve, malformed_texts_are_refused_with_their_line)
{
    struct cq_err err = {0};
    parse_fails("", "no public key");
    parse_fails("chipq-key 1\n", "no public key");
    parse_fails("public " Z85_KEY "\n", "line 1: not a chipq key");
    parse_fails("chipq-key 2\npublic " Z85_KEY "\n", "version 2");
    parse_fails("chipq-key 1\npublic short\n", "line 2: public: not a key");
    parse_fails("chipq-key 1\npublic " Z85_KEY "x\n", "line 2: public: not a key");
    parse_fails("chipq-key 1\npublic \"q:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n", "not a key");
    parse_fails("chipq-key 1\npublic ##########"
                "##############################\n",
                "not a key");
    parse_fails("chipq-key 1\npublic " Z85_KEY "\npublic " Z85_KEY "\n",
                "line 3: public: given twice");
    parse_fails("chipq-key 1\n\n# note\ncolour blue\n", "line 4: colour: unknown name");
    parse_fails("chipq-key 1\nrole king\n", "no such role");
    parse_fails("chipq-key 1\nrole\n", "line 2: not \"name value\"");
    parse_fails("chipq-key 1\nserver " Z85_KEY "\nserver " Z85_KEY "\nserver " Z85_KEY
                "\nserver " Z85_KEY "\nserver " Z85_KEY "\n",
                "more than 4 servers");
    cr_assert_eq(curve_key_parse("chipq-key 1\0", 12, &key, &err), -1);
    cr_assert_eq(curve_key_parse(NULL, 0, &key, &err), -1);
    static char large[CURVE_FILE_MAX + 1];
    memset(large, '\n', sizeof large);
    cr_assert_eq(curve_key_parse(large, sizeof large, &key, &err), -1);
}

Test(net_curve, spaces_comments_and_a_missing_last_newline_are_fine)
{
    static const char text[] = "# made by hand\r\n\n  chipq-key\t1\nrole  server \npublic " Z85_KEY;
    struct curve_key got;
    struct cq_err err = {0};
    cr_assert_eq(curve_key_parse(text, sizeof text - 1, &got, &err), 0, "%s", err.text);
    cr_assert_str_eq(got.role, "server");
    cr_assert_str_eq(got.public_key, Z85_KEY);
    cr_assert_str_eq(got.secret_key, "");
}

Test(net_curve, z85_agrees_with_rfc_32)
{
    uint8_t bytes[CURVE_KEY_BYTES];
    char text[CURVE_Z85_CHARS + 1];
    static const char sample[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    static const uint8_t start[] = {0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b};
    cr_assert(curve_z85_decode(sample, bytes));
    cr_assert_arr_eq(bytes, start, sizeof start);
    curve_z85_encode(bytes, text);
    cr_assert_str_eq(text, sample);
    cr_assert(!curve_is_z85(""));
}

Test(net_curve, wiping_leaves_nothing)
{
    static const struct curve_key zero;
    curve_key_wipe(&key);
    cr_assert_eq(memcmp(&key, &zero, sizeof key), 0);
}
