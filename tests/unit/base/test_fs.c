/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole or not at all, folders, removal. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"

static char dir[64];

static void open_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/reeve-fs-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void close_dir(void)
{
    cr_expect_eq(fs_remove_tree(dir, NULL), 0);
    cr_expect_eq(access(dir, F_OK), -1);
}

Test(fs, write_and_read, .init = open_dir, .fini = close_dir)
{
    AUTO_FREE char *path = fs_join(dir, "file");
    AUTO_BUF struct buf got = {0};
    struct err err = {0};
    cr_assert_eq(fs_write_atomic(path, "one", 3, 0600, &err), 0, "%s",
                 err.text);
    cr_assert_eq(fs_write_atomic(path, "second", 6, 0600, &err), 0);
    buf_add_str(&got, ">");
    cr_assert_eq(fs_read(path, 100, &got, &err), 0);
    cr_expect_str_eq(buf_text(&got), ">second", "it is appended");
    struct stat st;
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    buf_clear(&got);
    cr_expect_eq(fs_read(path, 5, &got, &err), -1);
    cr_expect_eq(err.code, ERR_FULL);
    cr_expect_eq(fs_read(path, 6, &got, &err), 0);
}

Test(fs, errors_name_the_path, .init = open_dir, .fini = close_dir)
{
    AUTO_FREE char *path = fs_join(dir, "none/file");
    AUTO_BUF struct buf got = {0};
    struct err err = {0};
    cr_expect_eq(fs_read(path, 100, &got, &err), -1);
    cr_expect_eq(err.code, ERR_NOT_FOUND);
    cr_expect(strstr(err.text, path) != NULL, "%s", err.text);
    cr_expect_eq(fs_write_atomic(path, "x", 1, 0600, &err), -1);
    cr_expect(strstr(err.text, path) != NULL, "%s", err.text);
}

Test(fs, mkdirs, .init = open_dir, .fini = close_dir)
{
    AUTO_FREE char *deep = fs_join(dir, "a/b//c/");
    AUTO_FREE char *file = fs_join(dir, "file");
    AUTO_FREE char *below = fs_join(file, "x");
    struct err err = {0};
    cr_expect_eq(fs_mkdirs(deep, 0700, &err), 0, "%s", err.text);
    cr_expect_eq(fs_mkdirs(deep, 0700, &err), 0, "%s", err.text);
    cr_assert_eq(fs_write_atomic(file, "", 0, 0600, NULL), 0);
    cr_expect_eq(fs_mkdirs(file, 0700, &err), -1);
    cr_expect_eq(err.code, ERR_EXISTS);
    cr_expect_eq(fs_mkdirs(below, 0700, &err), -1);
    cr_expect_eq(fs_mkdirs("", 0700, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_eq(fs_mkdirs("/", 0700, &err), 0);
}

Test(fs, removal_does_not_follow_links, .init = open_dir, .fini = close_dir)
{
    AUTO_FREE char *kept = fs_join(dir, "kept");
    AUTO_FREE char *kept_file = fs_join(kept, "file");
    AUTO_FREE char *tree = fs_join(dir, "tree");
    AUTO_FREE char *link = fs_join(tree, "link");
    cr_assert_eq(fs_mkdirs(kept, 0700, NULL), 0);
    cr_assert_eq(fs_mkdirs(tree, 0700, NULL), 0);
    cr_assert_eq(fs_write_atomic(kept_file, "x", 1, 0600, NULL), 0);
    cr_assert_eq(symlink(kept, link), 0);
    cr_expect_eq(fs_remove_tree(tree, NULL), 0);
    cr_expect_eq(fs_remove_tree(tree, NULL), 0, "absent is success");
    cr_expect_eq(access(kept_file, F_OK), 0);
}

Test(fs, join)
{
    AUTO_FREE char *a = fs_join("/run", "x");
    AUTO_FREE char *b = fs_join("/run/", "x");
    AUTO_FREE char *c = fs_join("", "x");
    cr_expect_str_eq(a, "/run/x");
    cr_expect_str_eq(b, "/run/x");
    cr_expect_str_eq(c, "/x");
}
