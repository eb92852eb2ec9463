/** The groups of a tenant that ask for labels, as commands read them. Pure. */
import { readRequirements } from '../../model/labels.ts';
import { endpointGroupKind, type EndpointGroupConfig } from '../../model/objects/endpoint-group.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { LabelledGroups } from '../../policy/labelled-groups.ts';
import type { Step } from '../../store/plan.ts';
import { configIn, readAll } from './object-rows.ts';

/** Reads them. */
export function* readLabelled(tenant: string): Step<LabelledGroups> {
  const rows = yield* readAll(objectRange('endpointGroup', [tenant]));
  return labelledAmong(
    rows.map((row) => {
      const { value } = decodeRecord(objectRowSchema(endpointGroupKind), row);
      return configIn('endpointGroup', value);
    }),
  );
}

/** Those of some groups that ask for labels. */
export function labelledAmong(configs: Iterable<EndpointGroupConfig>): LabelledGroups {
  const groups = new LabelledGroups();
  for (const { groupName: name, networkName: network, selectors } of configs) {
    groups.add({ name, network, requirements: readRequirements(selectors) });
  }
  return groups;
}
