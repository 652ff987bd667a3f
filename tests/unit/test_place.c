// LINK: cq_lease
/* Directories above a path: those that are missing are made, those that are there stay. */
#include "worker/lease/place.h"

#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/chipq-place-XXXXXX";

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

TestSuite(place, .init = set_up, .fini = tear_down);

static char *below(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static mode_t mode_of(const char *name)
{
    struct stat st;
    return lstat(below(name), &st) == 0 ? st.st_mode : 0;
}

Test(place, all_that_is_missing_above_a_path_is_made)
{
    cr_assert_eq(place_make_parents(below("output/acme/1207/3.1.log"), NULL), 0);
    cr_assert_eq(mode_of("output"), S_IFDIR | 0700);
    cr_assert_eq(mode_of("output/acme"), S_IFDIR | 0700);
    cr_assert_eq(mode_of("output/acme/1207"), S_IFDIR | 0700);
    cr_assert_eq(mode_of("output/acme/1207/3.1.log"), 0);
}

Test(place, what_is_there_stays_as_it_is)
{
    cr_assert_eq(place_make_parents(below("output/acme/1207/3.1.log"), NULL), 0);
    cr_assert_eq(chmod(below("output/acme"), 0750), 0);
    cr_assert_eq(place_make_parents(below("output/acme/1208/1.1.log"), NULL), 0);
    cr_assert_eq(place_make_parents(below("output/acme/1208/1.1.log"), NULL), 0);
    cr_assert_eq(mode_of("output/acme"), S_IFDIR | 0750);
    cr_assert_eq(mode_of("output/acme/1208"), S_IFDIR | 0700);
}

Test(place, slashes_too_many_do_no_harm)
{
    cr_assert_eq(place_make_parents(below("a//b///c/d"), NULL), 0);
    cr_assert_eq(mode_of("a/b/c"), S_IFDIR | 0700);
    cr_assert_eq(place_make_parents("/d", NULL), 0);
    cr_assert_eq(place_make_parents("d", NULL), 0);
}

Test(place, a_file_in_the_way_is_named)
{
    struct cq_err err;
    cr_assert_eq(place_make_parents(below("output/3.1.log"), NULL), 0);
    FILE *f = fopen(below("output/acme"), "we");
    cr_assert_not_null(f);
    (void)fclose(f);
    cr_assert_eq(place_make_parents(below("output/acme/1207/3.1.log"), &err), -1);
    cr_assert_eq(err.code, CQ_E_IO);
    cr_assert_not_null(strstr(err.text, "output/acme"), "%s", err.text);
}
