/*
 * References, digests, template names, limits: what is accepted must be harmless as a file name and a word of
 * argv.
 */
#include "images/limits.h"
#include "images/ref.h"
#include "images/template.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[1024], out[REF_MAX], file[256], back[REF_MAX], hex[HEX_SIZE];
	struct template t;
	struct limits l;
	struct ref r, again;

	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (ref_parse(text, &r) == 0) {
		ref_text(&r, out);
		ref_file(out, file);
		demand(!strchr(file, '/') && file[0] != '.' && file[0] != '-' && strlen(file) < 255);
		demand(ref_unfile(file, back) == 0 && strcmp(out, back) == 0);
		demand(ref_parse(out, &again) == 0 && strcmp(again.name, r.name) == 0 &&
		       strcmp(again.tag, r.tag) == 0);
		demand(!strstr(out, ".."));
	}
	ref_from_path(text, out);
	demand(ref_parse(out, &r) == 0);
	if (digest_hex(text, hex) == 0)
		demand(strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64);
	if (template_parse(text, &t) == 0 && !t.busybox)
		demand(t.suite[0] && t.suite[0] != '-' && !strpbrk(t.suite, "/. ;$\n"));
	if (ref_unfile(text, back) == 0)
		demand(ref_parse(back, &r) == 0);
	(void)limits_parse(text, &l);
	(void)template_names_suite(text, size & 1, "bookworm");
	return 0;
}
