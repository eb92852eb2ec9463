/** `fairlead policy explain`: what the rules say of a conversation, thin, through the agent's API. */
import type { Explained, ExplainedEnd, ExplainedFamily } from '../network/objects/explain.ts';
import { icmpTypeNames } from '../model/objects/icmp-types.ts';
import { apiClient } from './api-client.ts';
import { apiOptions, type ApiOptions } from './cluster-options.ts';
import { columns } from './cluster-text.ts';
import type { CommandRow } from './command.ts';
import { tenantOption } from './objects/object-commands.ts';
import { formRow } from './form-option.ts';
import { readOptions, rowsOf, type OptionRow, type OptionTable } from './option.ts';
import { readWholeNumber, type Reading } from './reading.ts';

const forms = ['table', 'json'] as const;

interface ExplainOptions extends ApiOptions {
  readonly tenant: string;
  readonly protocol: string;
  readonly port: number;
  readonly icmpType: string;
  readonly output: (typeof forms)[number];
}

const protocolOption: OptionRow<string> = {
  flag: 'proto',
  placeholder: 'PROTOCOL',
  summary: 'tcp, udp, sctp, icmp or a number',
  defaultShown: 'tcp',
  defaultText: 'tcp',
  hasVariable: false,
  read: (text): Reading<string> => (text === '' ? { mustBe: 'a protocol' } : { value: text }),
};
const portOption: OptionRow<number> = {
  flag: 'port',
  placeholder: 'N',
  summary: 'port of the other end, for tcp, udp and sctp',
  defaultShown: 'none',
  defaultText: '0',
  hasVariable: false,
  read: readWholeNumber(0, 65_535),
};
const icmpTypeOption: OptionRow<string> = {
  flag: 'icmp-type',
  placeholder: icmpTypeNames.join('|'),
  summary: 'what is asked, for icmp',
  defaultShown: 'echo',
  defaultText: '',
  hasVariable: false,
  read: (text): Reading<string> =>
    text === '' || icmpTypeNames.includes(text)
      ? { value: text }
      : { mustBe: icmpTypeNames.join(', ') },
};

const explainOptions: OptionTable<ExplainOptions> = {
  tenant: tenantOption,
  protocol: protocolOption,
  port: portOption,
  icmpType: icmpTypeOption,
  output: formRow(forms),
  ...apiOptions,
};

/** The answer as a person reads it: a line for each end in each family, and what comes of it. */
export function explainText({ families, service }: Explained): string {
  const rows = families.flatMap(({ family, out, in: into, behind }) => {
    const more = (behind?.containers.length ?? 1) - 1;
    const [, , container = '', ...rest] = lineOf(family, 'in', into);
    const servers = more === 0 ? container : `${container} and ${more} more`;
    return [lineOf(family, 'out', out), [`IPv${family}`, 'in', servers, ...rest]];
  });
  const heading = ['FAMILY', 'RULES', 'OF', 'ADDRESS', 'GROUP', 'SAY', 'BY'];
  const verdicts = families.map((each) => verdictOf(each, service?.name ?? ''));
  const others = (service?.addresses ?? []).flatMap(({ family, address, outcome, reason }) => {
    if (outcome === 'judged') return [];
    const why = outcome === 'answered' ? "the client's own host answers pings" : reason;
    return `IPv${family}: ${outcome}, ${service?.name} (${address}): ${why}\n`;
  });
  return [rows.length === 0 ? '' : columns([heading, ...rows]), ...verdicts, ...others].join('');
}

function verdictOf({ family, verdict, behind }: ExplainedFamily, service: string): string {
  if (behind === undefined) return `IPv${family}: ${verdict}\n`;
  const containers = behind.containers.map(({ container, address }) => `${container} (${address})`);
  return `IPv${family}: ${verdict}, ${service} leads to port ${behind.port} of ${containers.join(', ')}\n`;
}

const isThrough = ({ families, service }: Explained): boolean =>
  families.every(({ verdict }) => verdict === 'allow') &&
  (service?.addresses ?? []).every(({ outcome }) => outcome !== 'unreachable');

function lineOf(family: number, direction: string, end: ExplainedEnd): readonly string[] {
  const { container, address, group, verdict, audit } = end;
  return [
    `IPv${family}`,
    direction,
    container === '' ? 'outside' : container,
    address,
    group === '' ? '-' : group,
    audit ? 'deny, audited' : verdict,
    reasonOf(end),
  ];
}

function reasonOf({ rule, default: place }: ExplainedEnd): string {
  if (rule !== '') return rule;
  return place === '' || place === 'nobody'
    ? 'no rule fits'
    : `no rule fits, default of the ${place}`;
}

const explainCommand: CommandRow = {
  name: 'policy explain',
  summary: 'say what the rules say of a conversation, and which rule decides at each end',
  notes: `FROM begins, TO is whom it speaks to: a container by name or id, or an address. Rules out of FROM's group and
rules in to TO's group both have to allow it. No packet is sent: the answer is what the policies say, and hosts
go by the same (docs/policy.md).

TO may be a service, by its name or one of its addresses. Rules are about its containers and their port, so each that
gets new connections is judged by itself; those of which the same is said are told of together.

Exit code 0: allowed in each family that both have, and by every container of a service. 1: denied in one, or
nobody is reached by the service. Others: docs/errors.md.

Examples:
  fairlead policy explain web-1 db-1 --proto tcp --port 5432
  fairlead policy explain web-1 front --proto tcp --port 80
  fairlead policy explain 192.0.2.7 web-1 --port 443 -o json`,
  operands: [
    { name: 'FROM', summary: 'who begins: a container by name or id, or an address' },
    { name: 'TO', summary: 'with whom: as well, or a service by name or address' },
  ],
  options: rowsOf(explainOptions),
  async run({ sources, writeOut }) {
    const options = readOptions<ExplainOptions>(explainOptions, sources);
    const { apiSocket, tenant, protocol, port, icmpType, output } = options;
    const { FROM: from = '', TO: to = '' } = sources.operands;
    const query = new URLSearchParams({ tenant, from, to, protocol, port: String(port) });
    if (icmpType !== '') query.set('icmpType', icmpType);
    const path = `/v1/policy/explain?${query.toString()}`;
    const answer = (await apiClient(apiSocket).ask({ method: 'GET', path })) as Explained;
    writeOut(output === 'json' ? `${JSON.stringify(answer)}\n` : explainText(answer));
    return isThrough(answer) ? 0 : 1;
  },
};

/** The commands for policies besides those of the objects. */
export const policyCommands: readonly CommandRow[] = [explainCommand];
