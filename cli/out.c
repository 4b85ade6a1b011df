#include "cli/out.h"
#include "base/log.h"
#include "base/scope.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int out_text(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		return fail_errno("write to standard output");
	return 0;
}

int out_flush(void)
{
	if (fflush(stdout) == EOF)
		return fail_errno("write to standard output");
	/* musl writes a first line at once, and tells only printf that it could not. */
	return ferror(stdout) ? fail(EIO, "write to standard output: not everything arrived there") : 0;
}

static const char *member_of;

void out_member(const char *name)
{
	member_of = name;
}

void out_open(struct jout *o, struct buf *b)
{
	*o = (struct jout){ .b = b };
	jout_open(o, NULL, '{');
	if (!member_of)
		jout_str(o, "schema", "vzrun/1");
}

int out_close(struct jout *o)
{
	int r;

	jout_close(o, '}');
	if (!member_of)
		buf_puts(o->b, "\n");
	r = o->b->oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(o->b));
	buf_free(o->b);
	return r;
}

bool out_on_terminal(void)
{
	static int is = -1;

	if (is < 0)
		is = isatty(STDOUT_FILENO);
	return is;
}

void out_utf8(char *s)
{
	while (s && *s) {
		size_t n = str_utf8(s);

		if (n == 0)
			*s = '?';
		s += n ? n : 1;
	}
}

const char *out_colour(int fd, enum colour c)
{
	static const char *const escapes[] = {
		[COLOUR_NONE] = "\033[0m", [COLOUR_BOLD] = "\033[1m", [COLOUR_DIM] = "\033[2m",
		[COLOUR_RED] = "\033[31m", [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
	};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no && *no) || !term || str_eq(term, "dumb") || !isatty(fd))
		return "";
	return escapes[c];
}

int out_plain(char *text)
{
	char *to = text;

	for (const char *p = text; p && *p; p++)
		if (*p != '\r' || p[1] != '\n')
			*to++ = *p;
	if (to)
		*to = '\0';
	str_plain(text);
	return out_text(text ? text : "");
}

/* Names and messages may come from a guest: no escape sequence of theirs reaches a terminal. In one line. */
static void plain(struct buf *b, const char *s, size_t n)
{
	size_t from = b->n;

	buf_add(b, s, n);
	if (b->oom)
		return;
	str_line(b->p + from);
}

static void explain(struct buf *b, const char *label, const char *text)
{
	if (!*text)
		return;
	buf_printf(b, "  %s%-6s%s ", out_colour(STDERR_FILENO, COLOUR_DIM), label,
		   out_colour(STDERR_FILENO, COLOUR_NONE));
	for (size_t n; (n = strcspn(text, "\n"), text[n]); text += n + 1) {
		plain(b, text, n);
		buf_puts(b, "\n         ");
	}
	plain(b, text, strlen(text));
	buf_puts(b, "\n");
}

static int error_json(int r, int status, const char *msg)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	out_open(&o, &b);
	if (member_of)
		jout_str(&o, "name", member_of);
	jout_open(&o, "error", '{');
	jout_i64(&o, "code", status);
	jout_str(&o, "msg", msg);
	if (*err_why_text())
		jout_str(&o, "why", err_why_text());
	if (*err_try_text())
		jout_str(&o, "try", err_try_text());
	if (strerrorname_np(-r))
		jout_str(&o, "errno", strerrorname_np(-r));
	jout_close(&o, '}');
	return out_close(&o);
}

/* Where there is no memory to compose it. */
static void say_bare(const char *text)
{
	char line[1024];

	snprintf(line, sizeof line, "%s", text);
	str_line(line);
	fprintf(stderr, "vzrun: %s\n", line);
}

int out_error(const struct cli *g, int r)
{
	const char *text = err_text(), *known = strerrordesc_np(-r);
	/* A guest's init is no command: what keeps it from being executed is an error like others. */
	int class = err_class() < ERR_EXEC ? (int)err_class() : ERR_OTHER, status = g->failed ? g->failed : class;
	auto_buf struct buf b = { 0 };
	struct err_saved said;

	if (!*text)
		text = known ? known : "unknown error";
	if (err_class() == ERR_PERMISSION && geteuid() != 0 && !*err_try_text())
		err_try("as root");
	log_at(LOG_ERROR, "%s", text);
	err_save(&said);
	if (g->json && error_json(r, status, text) >= 0)
		return status;
	/* Where standard output takes no object it is said all the same. */
	err_restore(&said);
	buf_printf(&b, "%svzrun:%s ", out_colour(STDERR_FILENO, COLOUR_RED),
		   out_colour(STDERR_FILENO, COLOUR_NONE));
	plain(&b, text, strlen(text));
	buf_puts(&b, "\n");
	if (!g->oci) {
		explain(&b, "why", err_why_text());
		explain(&b, "try", err_try_text());
	}
	fflush(stdout);
	if (b.oom)
		say_bare(text);
	else
		fputs(buf_text(&b), stderr);
	return status;
}

void table_free(struct table *t)
{
	buf_free(&t->text);
	t->n = 0;
}

void table_str(struct table *t, const char *text)
{
	if (text)
		plain(&t->text, text, strlen(text));
	buf_add(&t->text, "", 1);
	t->n++;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		t->text.oom = true;
	}
	va_end(ap);
	table_str(t, text);
}

/* Characters, not bytes: UTF-8 continuation bytes take no column. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void put_blanks(struct buf *b, size_t n)
{
	static const char blanks[] = "                                ";

	for (; n >= sizeof blanks; n -= sizeof blanks - 1)
		buf_puts(b, blanks);
	buf_add(b, blanks, n);
}

static void put_row(const struct table *t, struct buf *b, const char *const *cells, const size_t *widths,
		    size_t cols)
{
	for (size_t c = 0; c < cols; c++) {
		size_t pad = widths[c] - width_of(cells[c]), gap = t->gap ? t->gap : 2;
		bool right = t->right >> c & 1, last = c + 1 == cols;

		if (right)
			put_blanks(b, pad);
		buf_puts(b, cells[c]);
		if (!last)
			put_blanks(b, (right ? 0 : pad) + gap);
	}
	buf_puts(b, "\n");
}

enum { COLUMNS_MAX = 32 };

void table_render(const struct table *t, struct buf *b)
{
	size_t widths[COLUMNS_MAX] = { 0 }, cols = 0, gap = t->gap ? t->gap : 2;
	const char *row[COLUMNS_MAX], *cell = buf_text(&t->text);

	for (; cols < COLUMNS_MAX && t->head[cols]; cols++) {
		widths[cols] = t->no_head ? 0 : width_of(t->head[cols]);
		if (t->min > gap && widths[cols] < t->min - gap)
			widths[cols] = t->min - gap;
	}
	for (size_t i = 0; i < t->n; i++, cell += strlen(cell) + 1)
		if (width_of(cell) > widths[i % cols])
			widths[i % cols] = width_of(cell);
	if (!t->no_head)
		put_row(t, b, t->head, widths, cols);
	cell = buf_text(&t->text);
	for (size_t i = 0; i + cols <= t->n; i += cols) {
		for (size_t c = 0; c < cols; c++, cell += strlen(cell) + 1)
			row[c] = cell;
		put_row(t, b, row, widths, cols);
	}
}

int table_print(const struct table *t)
{
	auto_buf struct buf b = { 0 };

	if (!t->text.oom)
		table_render(t, &b);
	return t->text.oom || b.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
}

const char *out_size(uint64_t bytes)
{
	static char ring[4][16];
	static unsigned next;
	static const char units[] = "KMGTPE";
	char *out = ring[next++ % 4];
	unsigned u = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(out, sizeof ring[0], "%ju", (uintmax_t)bytes);
		return out;
	}
	for (; bytes >= UINT64_C(1024) * 1024 && u + 1 < sizeof units - 1; u++)
		bytes = bytes / 1024;
	tenths = (bytes * 10 + 512) / 1024;
	if (tenths == 10240 && u + 1 < sizeof units - 1) {
		tenths = 10;
		u++;
	}
	if (tenths % 10)
		snprintf(out, sizeof ring[0], "%ju.%ju%c", (uintmax_t)(tenths / 10),
			 (uintmax_t)(tenths % 10), units[u]);
	else
		snprintf(out, sizeof ring[0], "%ju%c", (uintmax_t)(tenths / 10), units[u]);
	return out;
}
