/*
 * JSON object <-> C struct, both directions, from one table of fields. A sibling folder
 * owns the table of its slice of the configuration; runtime/spec composes them.
 *
 *	static const struct field mount_fields[] = {
 *		FR(struct spec_mount, "destination", K_STR, dst),		required
 *		F(struct spec_mount,  "options",     K_STRV, options),
 *		SUB(struct spec_mount, "limits",     K_OPT, limits, &limits_record),
 *		{ 0 }
 *	};
 *	const struct record mount_record = RECORD("mount", struct spec_mount, mount_fields);
 *
 * Unknown members are skipped, as OCI says; bind_unknown() lists them. null is absent.
 * A record has at most 63 fields.
 */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind {
	K_STR,		/* const char *; NULL absent */
	K_BOOL,		/* bool; absent is false */
	K_OBOOL,	/* struct opt_bool */
	K_I64,		/* struct opt_i64 */
	K_U64,		/* struct opt_u64 */
	K_U32,		/* struct opt_u32 */
	K_STRV,		/* struct strv */
	K_U32V,		/* struct u32v */
	K_ENUM,		/* int, a value of names[]; 0 absent */
	K_MAP,		/* struct map: object of strings */
	K_OBJ,		/* the record's struct, in place */
	K_OPT,		/* pointer to the record's struct; NULL absent */
	K_LIST,		/* struct list of the record's structs */
	K_RECMAP,	/* struct list of the record's structs, the first member of which is const char *key */
	K_RAW,		/* struct json *, borrowed */
};
enum { REQUIRED = 1 };

struct name { const char *text; int value; };
struct field;
struct record { const char *what; size_t size; const struct field *fields; };

struct field {
	const char *key;
	enum kind kind;
	unsigned flags;
	size_t offset;
	const void *aux;		/* K_ENUM: struct name[]; K_OBJ, OPT, LIST, RECMAP: struct record */
};

struct opt_bool { bool v, set; };
struct opt_i64 { int64_t v; bool set; };
struct opt_u64 { uint64_t v; bool set; };
struct opt_u32 { uint32_t v; bool set; };
struct strv { const char **v; size_t n; };	/* v[n] is NULL */
struct u32v { uint32_t *v; size_t n; };
struct pair { const char *key, *value; };
struct map { struct pair *v; size_t n; };
struct list { void *v; size_t n; };

#define F(T, key, kind, member)        { key, kind, 0, offsetof(T, member), NULL }
#define FR(T, key, kind, member)       { key, kind, REQUIRED, offsetof(T, member), NULL }
#define ENUM(T, key, member, names)    { key, K_ENUM, 0, offsetof(T, member), names }
#define ENUMR(T, key, member, names)   { key, K_ENUM, REQUIRED, offsetof(T, member), names }
#define SUB(T, key, kind, member, rec) { key, kind, 0, offsetof(T, member), rec }
/* the sub-record's offsets are the parent's */
#define FLAT(key, rec)                 { key, K_OBJ, 0, 0, rec }
#define RECORD(what, T, fields)        { what, sizeof(T), fields }

#define LIST_EACH(T, it, list) for (T *it = (list).v; it && it < (T *)(list).v + (list).n; it++)

/*
 * Strings point into `tree`, arrays into `a`: drop both to free everything. `out` is
 * zeroed first. Errors: "mounts[3].destination: missing" (the caller puts the file before it).
 */
int bind_decode(struct arena *a, const struct record *rec, struct json *tree, void *out);
/* The same of a member of something larger: places begin with its name, "at.member". */
int bind_decode_at(struct arena *a, const struct record *rec, struct json *tree, void *out, const char *at);
/* Absent members are left out. key as in jout_open(). */
void bind_encode(struct jout *o, const char *key, const struct record *rec, const void *in);
/* Calls `found` with the dotted place of every member that no table knows. */
void bind_unknown(const struct record *rec, struct json *tree, void (*found)(void *ctx, const char *place),
		  void *ctx);

const char *name_of(const struct name *names, int value);	/* NULL when there is none */
/* The values of all words, or'ed (out may be NULL). -EINVAL: "KEY[2]: unknown value \"x\"". */
int name_flags(const char *key, const struct strv *words, const struct name *names, uint64_t *out);
const char *map_get(const struct map *m, const char *key);	/* NULL when absent */
bool strv_has(const struct strv *s, const char *word);
/* The list of n words, in the arena; the words stay where they are. */
int strv_copy(struct arena *a, const char *const *v, size_t n, struct strv *out);
/* One word more at the end of a list that began empty and was made by this alone. */
int strv_add(struct arena *a, struct strv *s, const char *word);
