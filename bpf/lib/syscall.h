/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * syscall.h: what the current task asked of the kernel, from the user registers it saved on entry. 0 for kernel
 * threads; io_uring's requests show io_uring_enter.
 */
#ifndef SHUNT_BPF_SYSCALL_H
#define SHUNT_BPF_SYSCALL_H

#include "kernel.h"

#define KERNEL_MSG_OOB 1

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r10;
	unsigned long dx;
	unsigned long orig_ax;
} __attribute__((preserve_access_index));
#define SYSCALL_NUMBER(regs) ((regs)->orig_ax)
#define SYSCALL_THIRD(regs) ((regs)->dx)
#define SYSCALL_FOURTH(regs) ((regs)->r10)
#define SYSCALL_SENDTO 44
#define SYSCALL_SENDMSG 46
#define SYSCALL_SENDMMSG 307
#define SYSCALL_SPLICE 275
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__s32 syscallno;
} __attribute__((preserve_access_index));
#define SYSCALL_NUMBER(all) ((all)->syscallno)
#define SYSCALL_THIRD(all) ((all)->regs[2])
#define SYSCALL_FOURTH(all) ((all)->regs[3])
#define SYSCALL_SENDTO 206
#define SYSCALL_SENDMSG 211
#define SYSCALL_SENDMMSG 269
#define SYSCALL_SPLICE 76
#else
#error "syscall.h: the system call registers of this architecture are not known"
#endif

static __always_inline struct pt_regs *current_registers(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

static __always_inline bool current_is_splicing(void)
{
	struct pt_regs *regs = current_registers();

	return regs && SYSCALL_NUMBER(regs) == SYSCALL_SPLICE;
}

/* A redirect carries bytes, not the urgent pointer. */
static __always_inline bool current_sends_urgent(void)
{
	struct pt_regs *regs = current_registers();
	long number = regs ? SYSCALL_NUMBER(regs) : 0;

	if (number == SYSCALL_SENDTO || number == SYSCALL_SENDMMSG)
		return SYSCALL_FOURTH(regs) & KERNEL_MSG_OOB;
	return number == SYSCALL_SENDMSG && (SYSCALL_THIRD(regs) & KERNEL_MSG_OOB);
}

#endif
