#include "images/ref.h"
#include "tests/unit/unit.h"

static void good(const char *text, const char *canonical)
{
	char out[REF_MAX], file[256], back[REF_MAX];
	struct ref r;

	CHECK(ref_parse(text, &r) == 0);
	ref_text(&r, out);
	CHECK_STR(out, canonical);
	ref_file(out, file);
	CHECK(!strchr(file, '/') && strlen(file) < 256 && strcmp(file, ".") != 0 && strcmp(file, "..") != 0);
	CHECK(ref_unfile(file, back) == 0);
	CHECK_STR(back, canonical);
}

static void bad(const char *text, const char *message)
{
	struct ref r;

	CHECK_FAILS(ref_parse(text, &r), message);
	CHECK(err_class() == ERR_USAGE);
}

#define NOT_A_NAME "\" is not a name (lower-case letters and digits, single separators between)"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

TEST(accepted)
{
	good("debian", "debian:latest");
	good("debian:bookworm", "debian:bookworm");
	good("template/debian:bookworm", "template/debian:bookworm");
	good("a.b_c__d-e--f:V1.0_x-y", "a.b_c__d-e--f:V1.0_x-y");
	good("localhost:5000/a/b:1", "localhost:5000/a/b:1");
	good("Registry.Example.ORG/a", "Registry.Example.ORG/a:latest");
	good("0:0", "0:0");
}

TEST(with_digest)
{
	struct ref r;

	CHECK(ref_parse("a/b@sha256:" ZEROS, &r) == 0);
	CHECK_STR(r.name, "a/b");
	CHECK_STR(r.tag, "latest");
	CHECK_STR(r.digest, "sha256:" ZEROS);
	bad("a@sha256:00", "reference \"a@sha256:00\": digest \"sha256:00\": not sha256: and 64 lower-case "
			   "hexadecimal digits");
	bad("a@sha256:../../../../etc/passwd",
	    "reference \"a@sha256:../../../../etc/passwd\": digest \"sha256:../../../../etc/passwd\":"
	    " not sha256: and 64 lower-case hexadecimal digits");
	bad("a@", "reference \"a@\": digest \"\": not sha256: and 64 lower-case hexadecimal digits");
}

TEST(refused)
{
	bad("", "reference \"\": empty");
	bad("..", "reference \"..\": \".." NOT_A_NAME);
	bad("a/../b", "reference \"a/../b\": \".." NOT_A_NAME);
	bad("../a", "reference \"../a\": \".." NOT_A_NAME);
	bad("/a", "reference \"/a\": \"" NOT_A_NAME);
	bad("a/", "reference \"a/\": \"" NOT_A_NAME);
	bad("a//b", "reference \"a//b\": \"" NOT_A_NAME);
	bad("A", "reference \"A\": \"A" NOT_A_NAME);
	bad("a..b", "reference \"a..b\": \"a..b" NOT_A_NAME);
	bad("a___b", "reference \"a___b\": \"a___b" NOT_A_NAME);
	bad("-a", "reference \"-a\": \"-a" NOT_A_NAME);
	bad("a-", "reference \"a-\": \"a-" NOT_A_NAME);
	bad("a b", "reference \"a b\": \"a b" NOT_A_NAME);
	bad("a%2Fb", "reference \"a%2Fb\": \"a%2Fb" NOT_A_NAME);
	bad("a:", "reference \"a:\": \"\" is not a tag");
	bad("a:.x", "reference \"a:.x\": \".x\" is not a tag");
	bad("a:x..y", "reference \"a:x..y\": \"x..y\" is not a tag");
	bad("a:b:c", "reference \"a:b:c\": \"b:c\" is not a tag");
	bad("a:x/y", "reference \"a:x/y\": \"a:x" NOT_A_NAME);
	bad("host:123456/a", "reference \"host:123456/a\": \"host:123456" NOT_A_NAME);
}

TEST(long_ones)
{
	char text[600];
	struct ref r;

	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\0';
	CHECK(ref_parse(text, &r) < 0);
	text[231] = '\0';
	CHECK(ref_parse(text, &r) == 0);
	for (size_t i = 1; i < 200; i += 2)
		text[i] = '/';
	CHECK_FAILS(ref_parse(text, &r), "reference \"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/...\": too long");
}

TEST(from_paths)
{
	static const struct { const char *path, *ref;
	} rows[] = {
		{ "/x/My Root.tar.gz", "my-root:latest" },
		{ "web/", "web:latest" },
		{ "/", "image:latest" },
		{ "a..b.tar", "a.b:latest" },
		{ "---", "image:latest" },
		{ "x.tar.zst", "x:latest" },
		{ "/a/.tar", "tar:latest" },
		{ "é.tar", "image:latest" },
	};
	char out[REF_MAX];
	struct ref r;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ref_from_path(rows[i].path, out);
		CHECK_STR(out, rows[i].ref);
		CHECK(ref_parse(out, &r) == 0);
	}
}

UNIT_MAIN(UNIT(accepted), UNIT(with_digest), UNIT(refused), UNIT(long_ones), UNIT(from_paths))
