#include "images/manifest.h"
#include "images/template.h"
#include "tests/unit/unit.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D "\"sha256:" HEX64 "\""
#define DESC(media) "{\"mediaType\":\"" media "\",\"digest\":" D ",\"size\":3}"
#define CONFIG DESC("application/vnd.oci.image.config.v1+json")
#define LAYER DESC("application/vnd.oci.image.layer.v1.tar+gzip")
#define MANIFEST(config, layers) "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layers "]}"

static int manifest(const char *text)
{
	auto_doc struct doc d = { 0 };
	struct manifest out;

	return manifest_parse(&d, "manifest", text, strlen(text), &out);
}

static int config(const char *text)
{
	auto_doc struct doc d = { 0 };
	struct image_config out;

	return config_parse(&d, "configuration", text, strlen(text), &out);
}

static int whole(const char *m, const char *c)
{
	auto_doc struct doc md = { 0 }, cd = { 0 };
	struct manifest mo;
	struct image_config co;

	TRY(manifest_parse(&md, "manifest", m, strlen(m), &mo));
	TRY(config_parse(&cd, "configuration", c, strlen(c), &co));
	return image_check("manifest", &mo, &co);
}

static int index_of(const char *text)
{
	auto_doc struct doc d = { 0 };
	struct index out;

	return index_parse(&d, "index.json", text, strlen(text), &out);
}

static int saved(const char *text)
{
	auto_doc struct doc d = { 0 };
	struct list out;

	return saved_parse(&d, "manifest.json", text, strlen(text), &out);
}

#define ONE_DIFF "{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" D "]}}"

TEST(good_ones)
{
	CHECK(manifest(MANIFEST(CONFIG, LAYER)) == 0);
	CHECK(whole(MANIFEST(CONFIG, LAYER), ONE_DIFF) == 0);
	CHECK(index_of("{\"schemaVersion\":2,\"manifests\":[" LAYER "]}") == 0);
	CHECK(saved("[{\"Config\":\"a.json\",\"RepoTags\":null,\"Layers\":[\"a/layer.tar\"]}]") == 0);
}

TEST(bad_manifests)
{
	CHECK_FAILS(manifest("{}"), "manifest: schemaVersion: missing");
	CHECK_FAILS(manifest("{\"schemaVersion\":1,\"config\":" CONFIG "}"),
		    "manifest: schemaVersion 1 is not supported");
	CHECK_FAILS(manifest("{\"schemaVersion\":2}"), "manifest: config: missing");
	CHECK_FAILS(manifest("{\"schemaVersion\":2,\"mediaType\":\"x/y\",\"config\":" CONFIG "}"),
		    "manifest: media type \"x/y\" is not an image manifest");
	CHECK_FAILS(manifest(MANIFEST(DESC("application/vnd.cncf.helm.config.v1+json"), LAYER)),
		    "manifest: no container image: its configuration is "
		    "\"application/vnd.cncf.helm.config.v1+json\"");
	CHECK_FAILS(manifest(MANIFEST(CONFIG, "{\"digest\":" D ",\"size\":-1}")),
		    "manifest: layers[0].size: expected an unsigned integer");
	CHECK_FAILS(manifest(MANIFEST(CONFIG, "{\"digest\":" D "}")), "manifest: layers[0].size: missing");
	CHECK(err_class() == ERR_IMAGE);
}

TEST(bad_pairs)
{
	CHECK_FAILS(whole(MANIFEST(CONFIG, ""), ONE_DIFF), "manifest: 0 layers (1 to 256 are possible)");
	CHECK_FAILS(whole(MANIFEST(CONFIG, LAYER "," LAYER), ONE_DIFF),
		    "manifest: 2 layers, but 1 diff_ids in its configuration");
	CHECK_FAILS(whole(MANIFEST(CONFIG, DESC("application/vnd.in-toto+json")), ONE_DIFF),
		    "manifest: layers[0]: media type \"application/vnd.in-toto+json\" is not a file system "
		    "layer");
	CHECK_FAILS(whole(MANIFEST(CONFIG, "{\"digest\":\"sha256:../../x\",\"size\":1}"), ONE_DIFF),
		    "manifest: layers[0]: digest \"sha256:../../x\": not sha256: and 64 lower-case "
		    "hexadecimal digits");
	CHECK_FAILS(whole(MANIFEST(CONFIG, LAYER),
			  "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:X\"]}}"),
		    "manifest: diff_ids[0]: digest \"sha256:X\": not sha256: and 64 lower-case hexadecimal "
		    "digits");
}

TEST(bad_configs)
{
	CHECK_FAILS(config("{}"), "configuration: rootfs: missing");
	CHECK_FAILS(config("{\"rootfs\":{\"type\":\"zip\",\"diff_ids\":[]}}"),
		    "configuration: rootfs.type \"zip\" is not \"layers\"");
	CHECK_FAILS(config("{\"os\":\"windows\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
			   "\"diff_ids\":[]}}"),
		    "configuration: made for windows/amd64, this host is linux/amd64");
	CHECK_FAILS(saved("{}"), "manifest.json: not a list of images");
	CHECK_FAILS(saved("[{}]"), "manifest.json[0]: Config: missing");
	CHECK_FAILS(index_of("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:/\",\"size\":1}]}"),
		    "index.json: manifests[0]: digest \"sha256:/\": not sha256: and 64 lower-case "
		    "hexadecimal digits");
}

TEST(platforms)
{
	const struct platform here = { platform_arch(), "linux", NULL }, other = { "pdp11", "linux", NULL };
	const struct platform far = { platform_arch(), "linux", "v9" },
			      os = { platform_arch(), "plan9", NULL };

	CHECK(platform_rank(NULL) >= 0);
	CHECK(platform_rank(&here) > platform_rank(NULL));
	CHECK(platform_rank(&other) < 0 && platform_rank(&far) < 0 && platform_rank(&os) < 0);
}

TEST(apt_sources)
{
	CHECK(template_names_suite("deb http://x/debian bookworm main\n", false, "bookworm"));
	CHECK(template_names_suite("# c\ndeb [signed-by=/a b] http://x bookworm-updates main", false,
				   "bookworm"));
	CHECK(template_names_suite("deb http://x stretch/updates main", false, "stretch"));
	CHECK(!template_names_suite("#deb http://x bookworm main\n", false, "bookworm"));
	CHECK(!template_names_suite("deb http://x cloud-sdk-bookworm main\n", false, "bookworm"));
	CHECK(!template_names_suite("deb http://x bookwormish main\n", false, "bookworm"));
	CHECK(!template_names_suite("deb-src http://x bookworm main\n", false, "bookworm"));
	CHECK(!template_names_suite("deb [x", false, "bookworm"));
	CHECK(template_names_suite("Types: deb\nSuites: trixie bookworm\n", true, "bookworm"));
	CHECK(!template_names_suite("Types: deb\nURIs: bookworm\nSuites: nodistro\n", true, "bookworm"));
}

UNIT_MAIN(UNIT(good_ones), UNIT(bad_manifests), UNIT(bad_pairs), UNIT(bad_configs), UNIT(platforms),
	  UNIT(apt_sources))
