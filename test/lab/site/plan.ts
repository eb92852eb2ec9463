/** How a site is to be: what lies between its hosts, and which machines stand beside them. */
import { z } from 'zod';

/** VLAN 0 stands for the native one: frames without a tag. */
const vlanSchema = z.number().int().min(0).max(4094);

const machineLinkSchema = z.object({
  vlan: vlanSchema.default(0),
  /** Addresses with their prefix length, IPv4 and IPv6. */
  addresses: z.array(z.string()).default([]),
});

const machineSchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9]{0,7}$/),
  /** One NIC each, `eth0`, `eth1`, … in this order. */
  links: z.array(machineLinkSchema).min(1).max(8),
  /** A router: forwards packets between its links, IPv4 and IPv6. */
  forwards: z.boolean().default(false),
  routes: z.array(z.object({ to: z.string(), via: z.string() })).default([]),
});

/** The plan of a site as it is kept in the lab's state. */
export const sitePlanSchema = z
  .object({
    /** MTU of every cable, of the underlay and of the switch. */
    mtu: z.number().int().min(1280).max(9216).default(1500),
    /** What the uplinks are plugged into: a Linux bridge that passes tags untouched, or an Open vSwitch
     *  that knows VLANs. */
    switch: z.enum(['bridge', 'ovs']).default('ovs'),
    /** What the switch makes of the two uplinks of a host. `active-backup` asks nothing of a switch. */
    bond: z.enum(['none', 'active-backup', 'lacp']).default('none'),
    machines: z.array(machineSchema).default([]),
    /** A network of the hosts' kernels beside the underlay, by which members can speak to each other. */
    management: z.boolean().default(false),
    /** Without it, Docker is started when a test asks for it. */
    docker: z.boolean().default(true),
  })
  .refine((plan) => plan.switch === 'ovs' || plan.bond !== 'lacp', {
    message: 'a plain bridge has no LACP: choose the switch ovs',
  })
  .refine((plan) => plan.switch === 'ovs' || plan.machines.every(isUntagged), {
    message: 'a plain bridge has no access ports: choose the switch ovs',
  });

/** A machine beside the hosts, with everything said. */
export type MachinePlan = z.infer<typeof machineSchema>;
/** The same as a test writes it. */
export type MachineWish = z.input<typeof machineSchema>;
/** A site with everything said. */
export type SitePlan = z.infer<typeof sitePlanSchema>;
/** The same as a test writes it. */
export type SiteWish = z.input<typeof sitePlanSchema>;

/** Fills in what a wish leaves out. */
export const planMachine = (wish: MachineWish): MachinePlan => machineSchema.parse(wish);

/** True when no link of a machine is on a VLAN. */
export function isUntagged(machine: MachinePlan): boolean {
  return machine.links.every(({ vlan }) => vlan === 0);
}
