/** The groups of a tenant as looks and commands read them: what asks for labels, and numbers. Pure. */
import { groupsAloneMax } from '../../limits.ts';
import { readRequirements } from '../../model/labels.ts';
import { endpointGroupKind, type EndpointGroupConfig } from '../../model/objects/endpoint-group.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { LabelledGroups } from '../../policy/labelled-groups.ts';
import type { KeyValue } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { configIn, readEach, readObject } from './object-rows.ts';

/** What is known of a group. */
export interface KnownGroup {
  readonly config: EndpointGroupConfig;
  readonly number: number | undefined;
}

/** The groups of a tenant, as many of them as somebody needs: there may be very many. */
export class TenantGroups {
  readonly #tenant: string;
  readonly #known = new Map<string, KnownGroup | undefined>();
  #labelled: LabelledGroups | undefined;

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  /** A group of those that were read; undefined for one that is not there. */
  get(name: string): KnownGroup | undefined {
    return this.#known.get(name);
  }

  /** All groups that were read. */
  get all(): readonly KnownGroup[] {
    return [...this.#known.values()].filter((group) => group !== undefined);
  }

  /** Those that ask for labels; nobody does, as long as not all were read. */
  get labelled(): LabelledGroups {
    return this.#labelled ?? new LabelledGroups();
  }

  /** Reads all of them, once. */
  *readAll(): Step<void> {
    if (this.#labelled !== undefined) return;
    const labelled = new LabelledGroups();
    yield* readEach(objectRange('endpointGroup', [this.#tenant]), (row) => {
      const group = knownIn(row);
      this.#known.set(group.config.groupName, group);
      addTo(labelled, group.config);
    });
    this.#labelled = labelled;
  }

  /** Reads those of these names that were not. */
  *read(names: Iterable<string>): Step<void> {
    if (this.#labelled !== undefined) return;
    const missing = [...new Set(names)].filter((name) => !this.#known.has(name));
    if (missing.length > groupsAloneMax) return yield* this.readAll();
    for (const name of missing) {
      const stored = yield* readObject({ kind: 'endpointGroup', parts: [this.#tenant, name] });
      const group = stored && {
        config: configIn('endpointGroup', stored.value),
        number: stored.value.number,
      };
      this.#known.set(name, group);
    }
  }
}

function knownIn(row: KeyValue): KnownGroup {
  const { value } = decodeRecord(objectRowSchema(endpointGroupKind), row);
  return { config: configIn('endpointGroup', value), number: value.number };
}

/** Those of some groups that ask for labels. */
export function labelledAmong(configs: Iterable<EndpointGroupConfig>): LabelledGroups {
  const groups = new LabelledGroups();
  for (const config of configs) addTo(groups, config);
  return groups;
}

function addTo(groups: LabelledGroups, config: EndpointGroupConfig): void {
  const { groupName: name, networkName: network, selectors } = config;
  groups.add({ name, network, requirements: readRequirements(selectors) });
}
