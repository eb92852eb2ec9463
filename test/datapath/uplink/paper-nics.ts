/** The kernel's NICs on paper: as many as a test puts in, with everything that an uplink changes. */
import type {
  Link,
  LinkAddress,
  LinkEvent,
  NicSettings,
  Route,
} from '../../../lib/datapath/link/links.ts';
import { FairleadError } from '../../../lib/errors.ts';

/** A NIC that nobody has touched. */
export const untouched: NicSettings = {
  up: false,
  promiscuous: false,
  kernel: { ipv4Forwarding: '1', ipv4ReversePath: '2', ipv4ArpIgnore: '0', ipv6Disabled: '0' },
  merging: { gro: true, lro: false },
};

interface PaperNic {
  readonly index: number;
  readonly more: Partial<Link>;
  settings: NicSettings;
}

/** The kernel. */
export class PaperNics {
  readonly nics = new Map<string, PaperNic>();
  onAddresses: readonly LinkAddress[] = [];
  onRoutes: readonly Route[] = [];
  connected: ReadonlySet<string> = new Set();
  tell: (event: LinkEvent) => void = () => {};
  #count = 1;

  /** Plugs a NIC in. */
  add(name: string, more: Partial<Link> = {}): void {
    this.#count += 1;
    this.nics.set(name, { index: this.#count, more, settings: untouched });
  }

  indexOf(name: string): number {
    return this.nics.get(name)?.index ?? 0;
  }

  linkOf(name: string): Link {
    const nic = this.#require(name);
    const { up, promiscuous } = nic.settings;
    const plain = { mac: '02:00:00:00:00:01', mtu: 1500, group: 0, running: up, up, promiscuous };
    return { ...plain, index: nic.index, name, ...nic.more };
  }

  async list(): Promise<readonly Link[]> {
    return [...this.nics.keys()].map((name) => this.linkOf(name));
  }

  addresses = async (): Promise<readonly LinkAddress[]> => this.onAddresses;
  routes = async (): Promise<readonly Route[]> => this.onRoutes;
  connectedAddresses = async (): Promise<ReadonlySet<string>> => this.connected;
  nic = async (name: string): Promise<NicSettings> => this.#require(name).settings;

  async setNic(name: string, wanted: Partial<NicSettings>): Promise<void> {
    const nic = this.#require(name);
    const kernel = { ...nic.settings.kernel, ...wanted.kernel };
    const merging = { ...nic.settings.merging, ...wanted.merging };
    nic.settings = { ...nic.settings, ...wanted, kernel, merging };
  }

  watch(listener: (event: LinkEvent) => void): { close(): void } {
    this.tell = listener;
    return { close: () => (this.tell = () => {}) };
  }

  /** What the NIC is like now. */
  settingsOf(name: string): NicSettings {
    return this.#require(name).settings;
  }

  #require(name: string): PaperNic {
    const nic = this.nics.get(name);
    if (nic === undefined) throw new FairleadError('LINK_FAILED', `no NIC ${name}`);
    return nic;
  }
}
