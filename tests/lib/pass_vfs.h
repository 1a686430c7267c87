/* Files of a VFS that stands in front of the real one: every method leads through until it is replaced. */
#ifndef TEST_PASS_VFS_H
#define TEST_PASS_VFS_H

#include <sqlite3.h>
#include <stddef.h>

/* First member of a file of such a VFS; the real file lies behind the whole of it: szOsFile has to hold both. */
struct pass_file {
    sqlite3_file base;
    sqlite3_file *real;
};

/* The file of the real VFS behind f. */
sqlite3_file *pass_real(sqlite3_file *f);
/* All of them lead through. */
void pass_methods(sqlite3_io_methods *methods);
/* Open the real file behind f, which has size bytes before it, and give f its methods (borrowed until it is closed). */
int pass_open(sqlite3_vfs *real_vfs, const sqlite3_io_methods *methods, const char *name, sqlite3_file *f,
    size_t size, int flags, int *out);

#endif
