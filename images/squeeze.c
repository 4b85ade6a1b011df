#include "images/pack.h"
#include "base/err.h"
#include "base/scope.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

struct squeeze { struct archive *a; };

static int blame(struct squeeze *s)
{
	return fail_as(ERR_STORAGE, "compress: %s", archive_error_string(s->a));
}

int squeeze_open(struct squeeze **out, int fd)
{
	struct squeeze *s = *out = calloc(1, sizeof *s);
	struct archive_entry *e;
	int r;

	if (!s || !(s->a = archive_write_new()))
		return fail(ENOMEM, "compress: out of memory");
	if (archive_write_set_format_raw(s->a) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(s->a) != ARCHIVE_OK ||
	    archive_write_set_options(s->a, "zstd:compression-level=1") != ARCHIVE_OK)
		return blame(s);
	archive_write_set_bytes_in_last_block(s->a, 1);
	if (archive_write_open_fd(s->a, fd) != ARCHIVE_OK || !(e = archive_entry_new()))
		return blame(s);
	archive_entry_set_filetype(e, AE_IFREG);
	r = archive_write_header(s->a, e);
	archive_entry_free(e);
	return r == ARCHIVE_OK ? 0 : blame(s);
}

int squeeze_add(struct squeeze *s, const void *p, size_t n)
{
	return archive_write_data(s->a, p, n) < 0 ? blame(s) : 0;
}

int squeeze_end(struct squeeze *s)
{
	return archive_write_close(s->a) == ARCHIVE_OK ? 0 : blame(s);
}

void squeeze_close(struct squeeze **s)
{
	if (*s && (*s)->a)
		archive_write_free((*s)->a);
	free(*s);
	*s = NULL;
}
