/** Group of external contracts, as ACI has them. Kept for Contiv's commands; nothing enforces them. */
import { contractsMax, siteNameCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of groups of external contracts. */
export const extContractsGroupKind = describeKind({
  name: 'extContractsGroup',
  plural: 'extContractsGroups',
  doc: 'Names of contracts that an ACI fabric has; kept, and used by nothing.',
  key: ['tenantName', 'contractsGroupName'],
  access: 'all',
  frozen: 'external contracts update not supported',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose contracts they are.',
    },
    contractsGroupName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the group of contracts.',
    },
    contractsType: {
      type: 'text',
      format: 'contractsType',
      charactersMax: 16,
      words: ['provided', 'consumed'],
      required: true,
      doc: 'Whether the contracts are provided or consumed.',
    },
    contracts: {
      type: 'list',
      format: 'anyName',
      charactersMax: 128,
      itemsMax: contractsMax,
      doc: 'Names of the contracts.',
    },
  },
  linkSets: { EndpointGroups: { kind: 'endpointGroup', naming: ['extContractsGrps'] } },
  links: {},
  oper: {},
  columns: [
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Name', field: 'contractsGroupName' },
    { head: 'Type', field: 'contractsType' },
    { head: 'Contracts', field: 'contracts' },
  ],
});

/** The configuration of a group of external contracts. */
export type ExtContractsGroupConfig = ConfigOf<typeof extContractsGroupKind>;
