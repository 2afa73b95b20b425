/* SPDX-License-Identifier: MIT */
/* trial.h: what this kernel does with members of a sockmap, tried on a loopback pair and a private map. */
#ifndef SHUNT_TRIAL_H
#define SHUNT_TRIAL_H

/* Bytes that FIONREAD told of 10 that came by TCP, and of 10 that were redirected. */
struct shunt_trial_fionread {
	int tcp;
	int redirected;
};

/*
 * Each field is 0 or what was answered, a negative errno; -ECANCELED: an earlier step failed, it was not tried.
 * The names say what was tried, not whether it should succeed.
 */
struct shunt_trial {
	int load;	     /* program, map and their connection */
	int link;	     /* the connection as a bpf_link; -EINVAL: attached without */
	int pair;	     /* the loopback connection, both ends in the map */
	int fionread_result; /* 0: the numbers below stand */
	struct shunt_trial_fionread fionread;
	int second_map;	      /* a member into a second map with a program; -EBUSY is right */
	int ulp_on_member;    /* kernel TLS on a member */
	int tls_on_member;    /* and its transmit key; -EINVAL is right */
	int ulp_on_plain;     /* kernel TLS on a socket in no map; -ENOENT: no kernel TLS here */
	int member_after_ulp; /* that socket into the map; -EINVAL is right */
};

/* Waits for at most a second at each step; leaves nothing behind. */
void shunt_trial_run(struct shunt_trial *ret);

#endif
