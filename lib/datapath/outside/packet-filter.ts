/**
 * The host's packet filter, whichever it is: iptables where there is one, since what Docker and others drop
 * there nobody else can let through; else nftables.
 */
import type { PacketFilter } from './filter.ts';
import { IptablesFilter } from './iptables.ts';
import { NftablesFilter } from './nftables.ts';
import type { RunProgram } from './run-program.ts';

/** The filter of this host. */
export function hostFilter(run: RunProgram): PacketFilter {
  const iptables = new IptablesFilter(run);
  const nftables = new NftablesFilter(run);
  return {
    async ensure(family, rules) {
      const outcome = await iptables.ensure(family, rules);
      return outcome === 'absent' ? nftables.ensure(family, rules) : outcome;
    },
    async remove(family) {
      await iptables.remove(family);
      await nftables.remove(family);
    },
  };
}
