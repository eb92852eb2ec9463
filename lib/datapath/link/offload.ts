/**
 * Offloads of a link, by SIOCETHTOOL (linux/ethtool.h). Packets of a container must leave with
 * their checksums filled in where the userspace datapath of Open vSwitch forwards them, since it does
 * not fill them in: pings pass and no TCP connection comes up. And it throws away what arrives larger than
 * the MTU, which packets are that the kernel or the NIC has put together. Names are used because the ioctl has no
 * index; the caller knows that the link is its own.
 */
import { errorNumber, nativeBytes, socketNumber, type Libc } from './libc.ts';
import { kernelError } from './link-errors.ts';

const ioctlEthtool = 0x8946;
const getTransmitChecksum = 0x16;
const setTransmitChecksum = 0x17;
const getFlags = 0x25;
const setFlags = 0x26;
/** ETH_FLAG_LRO: the NIC puts packets together. */
const flagLargeReceive = 1 << 15;
const getMerging = 0x2b;
const setMerging = 0x2c;
/** struct ifreq: a name of 16 bytes, then a pointer. */
const ifreqBytes = 40;
const ifreqPointerAt = 16;

/** Packets put together before anybody sees them, by the kernel (GRO) and by the NIC (LRO). */
export interface Merging {
  readonly gro?: boolean;
  readonly lro?: boolean;
}

/** Reads and switches offloads. */
export class Offload {
  readonly #libc: Libc;
  #descriptor: number;

  /**
   * Opens the socket that the ioctl wants, in the network namespace of this process.
   * @throws LINK_FAILED
   */
  constructor(libc: Libc) {
    this.#libc = libc;
    const { familyInet, datagram, closeOnExec } = socketNumber;
    this.#descriptor = libc.socket(familyInet, datagram | closeOnExec, 0);
    if (this.#descriptor < 0) throw kernelError(libc, 'cannot open a socket', -this.#descriptor);
  }

  /**
   * True when the link leaves checksums of what it sends to whoever takes it.
   * @throws LINK_FAILED
   */
  transmitChecksum(name: string): Promise<boolean> {
    return this.#call(name, getTransmitChecksum, 0, 'cannot read the offloads');
  }

  /**
   * Switches transmit checksum offload off.
   * @throws LINK_FAILED
   */
  async switchOff(name: string): Promise<void> {
    await this.#call(name, setTransmitChecksum, 0, 'cannot switch checksum offload off');
  }

  /**
   * True when packets that arrive are put together before anybody sees them: by the kernel (GRO) or by the
   * NIC (LRO). Undefined for what the link knows nothing of.
   * @throws LINK_FAILED
   */
  async merging(name: string): Promise<Merging> {
    const gro = await this.#ifKnown(name, getMerging);
    const flags = await this.#ifKnown(name, getFlags);
    return {
      ...(gro === undefined ? {} : { gro: gro !== 0 }),
      ...(flags === undefined ? {} : { lro: (flags & flagLargeReceive) !== 0 }),
    };
  }

  /**
   * Switches merging on or off; what is left out stays.
   * @throws LINK_FAILED
   */
  async setMerging(name: string, { gro, lro }: Merging): Promise<void> {
    const what = 'cannot switch the merging of packets';
    if (gro !== undefined) await this.#number(name, setMerging, gro ? 1 : 0, what);
    if (lro === undefined) return;
    const before = await this.#number(name, getFlags, 0, what);
    const after = lro ? before | flagLargeReceive : before & ~flagLargeReceive;
    if (after !== before) await this.#number(name, setFlags, after, what);
  }

  /** Closes. No call may be in progress. */
  close(): void {
    if (this.#descriptor >= 0) this.#libc.close(this.#descriptor);
    this.#descriptor = -1;
  }

  async #call(name: string, command: number, value: number, what: string): Promise<boolean> {
    return (await this.#number(name, command, value, what)) !== 0;
  }

  /** Undefined where the driver has no such thing. */
  async #ifKnown(name: string, command: number): Promise<number | undefined> {
    const result = await this.#ioctl(name, command, 0);
    if (result.errno === errorNumber.EOPNOTSUPP) return undefined;
    if (result.errno !== 0) {
      throw kernelError(this.#libc, `cannot read the offloads of ${name}`, result.errno);
    }
    return result.value;
  }

  async #number(name: string, command: number, value: number, what: string): Promise<number> {
    const result = await this.#ioctl(name, command, value);
    if (result.errno === 0) return result.value;
    throw kernelError(this.#libc, `${what} of ${name}`, result.errno);
  }

  async #ioctl(
    name: string,
    command: number,
    value: number,
  ): Promise<{ readonly errno: number; readonly value: number }> {
    const setting = nativeBytes(8);
    const settingView = new DataView(setting.buffer);
    settingView.setUint32(0, command, true);
    settingView.setUint32(4, value, true);
    const request = nativeBytes(ifreqBytes);
    request.set(new TextEncoder().encode(name).subarray(0, ifreqPointerAt - 1));
    new DataView(request.buffer).setBigUint64(ifreqPointerAt, this.#libc.addressOf(setting), true);
    const result = await this.#libc.ioctl(this.#descriptor, ioctlEthtool, request, setting);
    return { errno: result < 0 ? -result : 0, value: settingView.getUint32(4, true) };
  }
}
