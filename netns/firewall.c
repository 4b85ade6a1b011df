/* The only file that knows libnftables: text in, one transaction, the library's words out. */
#include "netns/firewall_main.h"
#include "base/str.h"

#include <nftables/libnftables.h>
#include <string.h>

/* "Error: Could not process rule: Operation not supported", then the place: the first line's words. */
static void first_line(const char *words, char *out, size_t size)
{
	size_t n;

	if (str_starts(words, "internal:0:0-0: "))
		words += strlen("internal:0:0-0: ");
	if (str_starts(words, "Error: "))
		words += strlen("Error: ");
	n = strcspn(words, "\n");
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), words);
}

int fw_run(const char *table, const char *text)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char words[256];
	int r;

	if (!ctx)
		return fail(ENOMEM, "nftables table %s: out of memory", table);
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	r = nft_run_cmd_from_buffer(ctx, text);
	first_line(nft_ctx_get_error_buffer(ctx), words, sizeof words);
	nft_ctx_free(ctx);
	if (r == 0)
		return 0;
	if (strstr(words, "Operation not permitted"))
		return fail_as(ERR_PERMISSION, "nftables table %s: not permitted", table);
	if (strstr(words, "not supported") || strstr(words, "No such file or directory"))
		return fail_as(ERR_UNSUPPORTED, "nftables table %s: this kernel lacks what it needs: %s",
			       table, words);
	return fail(EIO, "nftables table %s: %s", table, words[0] ? words : "refused");
}

int fw_list(const char *command, bool json, struct buf *out)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char words[256];
	int r;

	if (!ctx)
		return fail(ENOMEM, "out of memory");
	nft_ctx_output_set_flags(ctx, json ? NFT_CTX_OUTPUT_JSON : NFT_CTX_OUTPUT_HANDLE);
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	r = nft_run_cmd_from_buffer(ctx, command);
	first_line(nft_ctx_get_error_buffer(ctx), words, sizeof words);
	buf_puts(out, nft_ctx_get_output_buffer(ctx));
	nft_ctx_free(ctx);
	if (r != 0)
		return fail(EIO, "%s", words[0] ? words : "refused");
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}
