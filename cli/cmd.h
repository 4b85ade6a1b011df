/* The command tables, one file each; cli/cmds.c lists them in the order of the help. */
#pragma once
#include "cli/opt.h"

extern const struct cmd life_cmds[];	/* cmd_life.c: create start run kill delete ... of both kinds */
extern const struct cmd look_cmds[];	/* cmd_look.c: state list ps events features spec */
extern const struct cmd update_cmds[];	/* cmd_update.c: update */
extern const struct cmd checkpoint_cmds[];	/* cmd_checkpoint.c: checkpoint restore */
extern const struct cmd exec_cmds[];	/* cmd_exec.c: exec */
extern const struct cmd guest_cmds[];	/* cmd_guest.c: stop destroy enter console set ... */
extern const struct cmd show_cmds[];	/* cmd_show.c: ls show why lint recover image */
extern const struct cmd store_cmds[];	/* cmd_image.c, below show_cmds: image ls import ... */
extern const struct cmd port_cmds[];	/* cmd_port.c, below net_cmds: port add rm ls */
extern const struct cmd fw_cmds[];	/* cmd_fw.c, below net_cmds: fw allow deny rm ls */
extern const struct cmd net_cmds[];	/* cmd_network.c: network ... */
extern const struct cmd nic_cmds[];	/* cmd_nic.c: below `nic` */
extern const struct cmd host_cmds[];	/* cmds.c */

/* cmd_netlook.c: network ls, show, check. */
int net_ls_run(struct cli *g, void *args, int argc, char **argv);
int net_show_run(struct cli *g, void *args, int argc, char **argv);
int net_check_run(struct cli *g, void *args, int argc, char **argv);

int stats_run(struct cli *g, void *args, int argc, char **argv);	/* cmd_stats.c */

/* cmd_life.c: what ran in the foreground is taken down; the first failure is the one that is told. */
struct container;
int delete_after(const struct container *c, int status);

/* cmd_doctor.c: the row `doctor` of the host's. */
struct doctor_args { const char *inside, *report; };
extern const struct opt doctor_opts[];
int doctor_run(struct cli *g, void *args, int argc, char **argv);

/* cmd_network_why.c: the row `why` of `network`. */
struct network_why_args { bool four, six; };
extern const struct opt network_why_opts[];
int network_why_run(struct cli *g, void *args, int argc, char **argv);
