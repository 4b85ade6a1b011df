#include "images/make.h"
#include "base/err.h"
#include "base/json.h"
#include "images/manifest.h"

#include <stdio.h>
#include <time.h>

static void descriptor(struct jout *o, const char *key, const struct make_blob *b)
{
	char digest[DIGEST_SIZE];

	digest_text(b->hex, digest);
	jout_open(o, key, '{');
	jout_str(o, "mediaType", b->media_type);
	jout_str(o, "digest", digest);
	jout_u64(o, "size", b->size);
	jout_close(o, '}');
}

int make_manifest(struct stage *g, const struct make_blob *config, const struct make_blob *layers, size_t n,
		  char digest[DIGEST_SIZE])
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char hex[HEX_SIZE];

	jout_open(&o, NULL, '{');
	jout_u64(&o, "schemaVersion", 2);
	jout_str(&o, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	descriptor(&o, "config", config);
	jout_open(&o, "layers", '[');
	for (size_t i = 0; i < n; i++)
		descriptor(&o, NULL, &layers[i]);
	jout_close(&o, ']');
	jout_close(&o, '}');
	if (b.oom)
		return fail(ENOMEM, "manifest: out of memory");
	TRY(stage_put_text(g, b.p, b.n, hex));
	digest_text(hex, digest);
	return 0;
}

static void now_text(char out[40])
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t t = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void config_text(struct jout *o, const struct layer *l, const struct make_words *w)
{
	char created[40], diff[DIGEST_SIZE];

	now_text(created);
	digest_text(l->diff, diff);
	jout_open(o, NULL, '{');
	jout_str(o, "created", created);
	jout_str(o, "architecture", platform_arch());
	jout_str(o, "os", "linux");
	jout_open(o, "config", '{');
	jout_open(o, "Env", '[');
	jout_str(o, NULL, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	jout_close(o, ']');
	if (w->cmd) {
		jout_open(o, "Cmd", '[');
		jout_str(o, NULL, w->cmd);
		jout_close(o, ']');
	}
	if (w->stop_signal)
		jout_str(o, "StopSignal", w->stop_signal);
	jout_close(o, '}');
	jout_open(o, "rootfs", '{');
	jout_str(o, "type", "layers");
	jout_open(o, "diff_ids", '[');
	jout_str(o, NULL, diff);
	jout_close(o, ']');
	jout_close(o, '}');
	jout_open(o, "history", '[');
	jout_open(o, NULL, '{');
	jout_str(o, "created", created);
	jout_str(o, "created_by", w->created_by);
	jout_close(o, '}');
	jout_close(o, ']');
	jout_close(o, '}');
}

int make_image(struct stage *g, const struct layer *l, const struct make_words *w, char digest[DIGEST_SIZE])
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct make_blob config = { .media_type = "application/vnd.oci.image.config.v1+json" };
	struct make_blob layer = { .media_type = l->media_type, .size = l->size };

	config_text(&o, l, w);
	if (b.oom)
		return fail(ENOMEM, "image configuration: out of memory");
	TRY(stage_put_text(g, b.p, b.n, config.hex));
	config.size = b.n;
	snprintf(layer.hex, sizeof layer.hex, "%s", l->hex);
	return make_manifest(g, &config, &layer, 1, digest);
}
