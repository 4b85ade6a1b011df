/* What the user sees: errors, tables, JSON. Stdout is data, stderr is talk. */
#pragma once
#include "base/json.h"
#include "cli/opt.h"

/*
 * Shows the pending error of r (< 0) in the voice of g (one line for OCI commands, the cause
 * and what to try for guests, an object on stdout under --json), logs it, and returns the exit status.
 */
int out_error(const struct cli *g, int r);

/* One JSON object on stdout: out_open() puts the schema; out_close() writes and frees. -EIO, -ENOMEM. */
void out_open(struct jout *o, struct buf *b);
int out_close(struct jout *o);
/*
 * From here on objects are members of an array about guests: without the schema, an error with the guest's name.
 * NULL: no more.
 */
void out_member(const char *name);
/* Whether standard output is a terminal: what it was when this was asked first. */
bool out_on_terminal(void);
/* What a terminal or a program said need not be text, and JSON must be UTF-8: in place, with '?' for what is none. */
void out_utf8(char *s);
/* Writes text to stdout, after what stdio holds back; 0 or -errno. */
int out_text(const char *text);
/*
 * The same of what a guest wrote, which must not command the administrator's terminal: str_plain(), and lines of a
 * console end in a newline alone. Changes text.
 */
int out_plain(char *text);
/* What stdio holds back; fails, too, when something was lost before. */
int out_flush(void);

/* A table whose columns are as wide as their content. Control characters of cells are shown as "?". */
struct table {
	const char *const *head;	/* NULL-terminated; names the columns */
	bool no_head;
	unsigned right;			/* bit i: column i is flush right */
	unsigned gap, min;		/* between columns (0: 2); least width with the gap (runc: 3, 12) */
	struct buf text;		/* the cells, each with its NUL */
	size_t n;
};
void table_free(struct table *t);
#define auto_table SCOPED(table_free)
void table_cell(struct table *t, const char *fmt, ...) PRINTF(2, 3);	/* the next cell of the row */
void table_str(struct table *t, const char *text);				/* the same, of a text as it is; NULL: "" */
int table_print(const struct table *t);				/* to stdout */
void table_render(const struct table *t, struct buf *b);

/* "1.5G", as str_size() reads it; in a ring of four static buffers. */
const char *out_size(uint64_t bytes);

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW };
/* The escape that begins a colour on fd; "" where it is no terminal, NO_COLOR is set or TERM is dumb. */
const char *out_colour(int fd, enum colour c);
