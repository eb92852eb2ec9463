/**
 * The variables of Contiv's plugin in our words. A site that set `CONTIV_…` keeps its lines; what has no counterpart
 * here is named, with what to do instead, so that no setting is lost silently.
 */
import { FairleadError } from '../errors.ts';

/** Text of a variable in our words, and under which option. */
interface Counterpart {
  readonly variable: string;
  /** The text as ours, nothing for nothing to say; undefined refuses it. `beside` reads others of the same daemon. */
  readonly text: (text: string, beside: (name: string) => string) => string | undefined;
  /** What texts there are, for a refusal. */
  readonly mustBe: string;
}

/** Why a variable has no counterpart. */
interface Without {
  readonly instead: string;
}

const same = (text: string): string => text;
const levels: ReadonlyMap<string, string> = new Map([
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['WARN', 'warn'],
  ['ERROR', 'error'],
]);

const syslogDefault = 'udp://127.0.0.1:514';

const shared: Readonly<Record<string, Counterpart | Without>> = {
  MODE: { instead: 'one program serves Docker with and without swarm' },
  NET_MODE: { instead: 'networks say it: --encap vlan or vxlan' },
  FORWARD_MODE: { instead: 'fairlead netctl global set --fwd-mode' },
  ETCD_ENDPOINTS: { variable: 'FAIRLEAD_ETCD_ENDPOINTS', text: same, mustBe: 'URLs' },
  CONSUL_ENDPOINTS: { instead: 'no store is needed, and an etcd can be used' },
  LOG_LEVEL: {
    variable: 'FAIRLEAD_LOG_LEVEL',
    text: (text) => levels.get(text.toUpperCase()),
    mustBe: 'DEBUG, INFO, WARN or ERROR',
  },
  USE_JSON_LOG: {
    variable: 'FAIRLEAD_LOG_FORMAT',
    text: (text) => ({ true: 'json', false: 'pretty' })[text.toLowerCase()],
    mustBe: 'true or false',
  },
  USE_SYSLOG: {
    variable: 'FAIRLEAD_SYSLOG',
    text: (text, beside) =>
      ({ true: beside('SYSLOG_URL') || syslogDefault, false: '' })[text.toLowerCase()],
    mustBe: 'true or false',
  },
  // the daemons looked at it only when told to use it
  SYSLOG_URL: {
    variable: 'FAIRLEAD_SYSLOG',
    text: (text, beside) => (beside('USE_SYSLOG').toLowerCase() === 'true' ? text : ''),
    mustBe: 'a URL',
  },
};

const only: Readonly<Record<string, Counterpart | Without>> = {
  CONTIV_NETMASTER_INFRA: { instead: 'there is no ACI' },
  CONTIV_NETMASTER_PLUGIN_NAME: {
    instead: 'a managed plugin has the name that it was made with, else there is --plugin-name',
  },
  CONTIV_NETMASTER_EXTERNAL_ADDRESS: {
    variable: 'FAIRLEAD_API_LISTEN',
    text: same,
    mustBe: 'HOST:PORT',
  },
  CONTIV_NETMASTER_INTERNAL_ADDRESS: { instead: 'fairlead cluster init --listen' },
  CONTIV_NETPLUGIN_HOST: { variable: 'FAIRLEAD_NAME', text: same, mustBe: 'a name' },
  CONTIV_NETPLUGIN_VTEP_IP: { variable: 'FAIRLEAD_VTEP_IP', text: same, mustBe: 'an address' },
  CONTIV_NETPLUGIN_CONTROL_IP: { instead: 'fairlead cluster join --advertise' },
  CONTIV_NETPLUGIN_VLAN_UPLINKS: { variable: 'FAIRLEAD_UPLINKS', text: same, mustBe: 'NICs' },
  CONTIV_NETPLUGIN_VXLAN_PORT: { variable: 'FAIRLEAD_VXLAN_PORT', text: same, mustBe: 'a port' },
  CONTIV_ROLE: { instead: 'every host has the same program; fairlead cluster token --role' },
  CONTIV_LOG_DIR: { instead: 'the engine writes a plugin’s lines to its own log' },
};

const all: ReadonlyMap<string, Counterpart | Without> = new Map([
  ...['CONTIV_NETMASTER', 'CONTIV_NETPLUGIN'].flatMap((daemon) =>
    Object.entries(shared).map(([name, row]) => [`${daemon}_${name}`, row] as const),
  ),
  ...Object.entries(only),
]);

/** Names of all of Contiv's variables. */
export const contivVariables: readonly string[] = [...all.keys()].toSorted();

/** Variables as Contiv's users set them, as ours. */
export interface ContivSettings {
  /** Ours that follow from them. */
  readonly environment: Readonly<Record<string, string>>;
  /** What was set and means nothing here, a sentence each. */
  readonly notes: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What Contiv's variables say; a variable of ours that is set wins over them.
 * @throws USAGE for a text that none of them takes, or when two of them disagree
 */
export function contivSettings(given: Environment): ContivSettings {
  const environment: Record<string, string> = {};
  const from = new Map<string, string>();
  const notes: string[] = [];
  for (const [name, row] of all) {
    const text = given[name] ?? '';
    if (text === '') continue;
    if ('instead' in row) {
      notes.push(`${name} has no meaning here: ${row.instead}`);
      continue;
    }
    const { variable, mustBe } = row;
    const daemon = name.split('_', 2).join('_');
    const value = row.text(text, (other) => given[`${daemon}_${other}`] ?? '');
    if (value === '') continue;
    if (value === undefined) {
      throw new FairleadError('USAGE', `${name} ${JSON.stringify(text)}`, {
        fix: `must be ${mustBe}`,
      });
    }
    const before = from.get(variable);
    if (before !== undefined && environment[variable] !== value) {
      throw new FairleadError('USAGE', `${before} and ${name} differ`, {
        fix: 'one program does what netmaster and netplugin did: give both the same',
      });
    }
    from.set(variable, name);
    if ((given[variable] ?? '') === '') environment[variable] = value;
  }
  return { environment, notes };
}
