/* Tags: words that the administrator gives guests, to choose several by one. */
#include "runtime/guest/tags.h"
#include "base/scope.h"

enum { TAGS_MAX = 32 };

int guest_check_tags(const struct strv *tags, const char *what)
{
	if (tags->n > TAGS_MAX)
		return fail_as(ERR_USAGE, "%s: more than %d tags", what, TAGS_MAX);
	for (size_t i = 0; i < tags->n; i++)
		if (!str_is_name(tags->v[i]))
			return fail_as(ERR_USAGE, "%s: \"%.64s\" is not a tag (a-z, 0-9, '.' and '-' between)", what, tags->v[i]);
	return 0;
}

bool guest_has_tag(const struct strv *tags, const char *tag)
{
	for (size_t i = 0; i < tags->n; i++)
		if (str_eq(tags->v[i], tag))
			return true;
	return false;
}

void guest_put_tags(struct jout *o, const char *key, const struct strv *tags)
{
	jout_open(o, key, '[');
	for (size_t i = 0; i < tags->n; i++)
		jout_str(o, NULL, tags->v[i]);
	jout_close(o, ']');
}

int guest_edit_tags(struct json **tree, const struct strv *has, const struct strv *add, const struct strv *del,
		    struct buf *told)
{
	const char *is[TAGS_MAX + 1];
	struct strv tags = { is, 0 };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	TRY(guest_check_tags(add, "--tag-add"));
	for (size_t i = 0; i < del->n; i++)
		if (!guest_has_tag(has, del->v[i]))
			return fail_as(ERR_NOT_FOUND, "--tag-del: there is no tag \"%.64s\"", del->v[i]);
	for (size_t k = 0; k < 2; k++) {
		const struct strv *from = k ? add : has;

		for (size_t i = 0; i < from->n; i++) {
			if ((!k && guest_has_tag(del, from->v[i])) || guest_has_tag(&tags, from->v[i]))
				continue;
			if (tags.n == TAGS_MAX)
				return fail_as(ERR_USAGE, "--tag-add: more than %d tags", TAGS_MAX);
			is[tags.n++] = from->v[i];
		}
	}
	guest_put_tags(&o, NULL, &tags);
	buf_printf(told, "  vzrun.tags = %s\n", buf_text(&b));
	return json_set(tree, "vzrun.tags", tags.n ? buf_text(&b) : NULL);
}
