/*
 * Xenscope's prelude: Xen's public interface and a small kernel library. Every script is compiled with it in front,
 * unless it asks not to be (--no-prelude).
 */
#ifndef XENSCOPE_H
#define XENSCOPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdarg.h>

#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/event_channel.h>
#include <xen/version.h>
#include <xen/vcpu.h>
#include <xen/grant_table.h>
#include <xen/io/console.h>

#include <xenscope/hypercall.h>
#include <xenscope/kernel.h>
#include <xenscope/string.h>
#include <xenscope/printk.h>
#include <xenscope/pages.h>
#include <xenscope/traps.h>
#include <xenscope/events.h>
#include <xenscope/grants.h>
#include <xenscope/vcpus.h>
#include <xenscope/start.h>

#endif
