#include "cli/cmd.h"

static const struct cmd gen_cmds[] = {
	{ "completion", "bash", "write a completion script", 1, 1, .run = gen_completion_run },
	{ "man", "[CMD...]", "write a man page", 0, 2, .run = gen_man_run },
	{ 0 }
};

const struct cmd host_cmds[] = {
	{ "doctor", "[OPTION...]", "what the host has and lacks, and what a guest exposes", 0, 0, doctor_opts,
	  sizeof(struct doctor_args), doctor_run, .about =
	  "Alone: one line for each feature, layout and program that vzrun uses, with what does not work without "
	  "it and what to install or set. Status 8 when guests cannot run; what is optional may lack.\n\n"
	  "--inside runs a static probe as root of a running guest or container, in its confinement and with "
	  "nothing of its files, and counts what it reaches, a row for each kind. A row is closed (0), usual (what "
	  "a default guest has) or exposed; the score is the sum of counts and weights, fewer is better. Nothing "
	  "is changed: files are opened and never written, calls get arguments that no kernel takes." },
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
