#include "images/template.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* "bookworm", "bookworm-updates", "bookworm-security", "bookworm/updates" are all of bookworm. */
static bool is_of(const char *word, size_t n, const char *suite)
{
	size_t len = strlen(suite);

	return n >= len && strncmp(word, suite, len) == 0 &&
	       (n == len || word[len] == '-' || word[len] == '/');
}

static bool any_word(const char *s, size_t n, const char *suite)
{
	for (size_t i = 0; i < n;) {
		size_t gap = strspn(s + i, " \t"), word;

		i += gap;
		word = strcspn(s + i, " \t\n");
		if (i < n && is_of(s + i, word, suite))
			return true;
		i += word ? word : 1;
	}
	return false;
}

/* deb [options] URI SUITE components... */
static bool line_has(const char *s, size_t n, const char *suite)
{
	size_t i = strspn(s, " \t");

	if (strncmp(s + i, "deb", 3) != 0 || (s[i + 3] != ' ' && s[i + 3] != '\t'))
		return false;
	i += 3 + strspn(s + i + 3, " \t");
	if (s[i] == '[')
		i += strcspn(s + i, "]\n") + 1;
	if (i >= n)
		return false;
	i += strspn(s + i, " \t");
	i += strcspn(s + i, " \t\n");
	i += strspn(s + i, " \t");
	return i < n && is_of(s + i, strcspn(s + i, " \t\n"), suite);
}

bool template_names_suite(const char *text, bool deb822, const char *suite)
{
	for (const char *s = text; *s;) {
		size_t n = strcspn(s, "\n");

		if (deb822 && strncasecmp(s, "Suites:", 7) == 0 && n > 7 && any_word(s + 7, n - 7, suite))
			return true;
		if (!deb822 && line_has(s, n, suite))
			return true;
		s += n + (s[n] == '\n');
	}
	return false;
}

static void consider(const char *path, const char *suite, struct sources *out)
{
	auto_free char *text = NULL;
	size_t n;

	if (out->n == COUNT(out->path) || strlen(path) >= sizeof out->path[0] ||
	    file_read(AT_FDCWD, path, &text, &n) < 0)
		return;
	if (template_names_suite(text, str_ends(path, ".sources"), suite))
		strcpy(out->path[out->n++], path);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int template_sources(const char *etc_apt, const char *suite, struct sources *out)
{
	char path[PATH_MAX];
	struct dirent **list;
	int n;

	out->n = 0;
	snprintf(path, sizeof path, "%s/sources.list", etc_apt);
	consider(path, suite, out);
	snprintf(path, sizeof path, "%s/sources.list.d", etc_apt);
	n = scandir(path, &list, NULL, by_name);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/sources.list.d/%s", etc_apt, list[i]->d_name);
		if (str_ends(path, ".list") || str_ends(path, ".sources"))
			consider(path, suite, out);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	err_clear();
	return 0;
}
