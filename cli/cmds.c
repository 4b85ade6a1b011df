#include "cli/cmd.h"

static const struct cmd gen_cmds[] = {
	{ "completion", "bash", "write a completion script", 1, 1, .run = gen_completion_run },
	{ "man", "[CMD...]", "write a man page", 0, 2, .run = gen_man_run },
	{ 0 }
};

const struct cmd host_cmds[] = {
	{ "doctor", "[OPTION...]", "what the host has and lacks, and what a guest exposes", 0, 0, doctor_opts,
	  sizeof(struct doctor_args), doctor_run },
	{ "gen", "completion|man ...", "write completion scripts and man pages", .sub = gen_cmds },
	{ "help", "[CMD...]", "explain a command", 0, 2, .run = help_run },
	{ "h", "[CMD...]", "explain a command", 0, 2, .run = help_run, .flags = CMD_HIDDEN },
	{ "version", "", "write the version", 0, 0, .run = version_run },
	{ 0 }
};

const struct cmd_group cli_groups[] = {
	{ "Guests and containers", life_cmds },
	{ "Guests", guest_cmds },
	{ "Looking at guests", show_cmds },
	{ "Networks", net_cmds },
	{ "Inside", exec_cmds },
	{ "Looking at containers", look_cmds },
	{ "Limits of containers", update_cmds },
	{ "Checkpoints", checkpoint_cmds },
	{ "Host", host_cmds },
	{ 0 }
};
