/*
 * jsontool: reads documents, each behind its length (32 bits, native), and answers each with a line: "-" when it is
 * refused, else the length of what follows, the document written again. For tests/bats/05-json.bats.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/scope.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void answer(const char *text, size_t len)
{
	auto_json struct json *tree = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	if (json_parse("document", text, len, &tree) < 0) {
		puts("-");
		return;
	}
	jout_tree(&o, NULL, tree);
	printf("%zu\n%.*s\n", b.n, (int)b.n, b.p);
}

int main(void)
{
	uint32_t len;

	while (fread(&len, sizeof len, 1, stdin) == 1) {
		auto_free char *text = malloc(len + 1);

		if (!text || fread(text, 1, len, stdin) != len)
			return 1;
		answer(text, len);
	}
	return 0;
}
