/** Tenant: objects of two tenants do not see each other, and may have the same names and addresses. */
import { siteNameCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';
import { policySettings } from './policy-settings.ts';

/** The description of tenants. */
export const tenantKind = describeKind({
  name: 'tenant',
  plural: 'tenants',
  doc: 'A tenant has networks, groups and policies of its own; addresses of two tenants may be the same.',
  key: ['tenantName'],
  access: 'all',
  frozen: 'Cant change tenant parameters after its created',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the tenant.',
    },
    defaultNetwork: {
      type: 'text',
      format: 'name',
      charactersMax: siteNameCharactersMax,
      doc: 'Kept for Contiv; nothing uses it.',
    },
    ...policySettings,
  },
  linkSets: {
    AppProfiles: { kind: 'appProfile', naming: ['tenantName'] },
    EndpointGroups: { kind: 'endpointGroup', naming: ['tenantName'] },
    NetProfiles: { kind: 'netprofile', naming: ['tenantName'] },
    Networks: { kind: 'network', naming: ['tenantName'] },
    Policies: { kind: 'policy', naming: ['tenantName'] },
    Servicelbs: { kind: 'serviceLB', naming: ['tenantName'] },
    VolumeProfiles: { kind: 'volumeProfile', naming: ['tenantName'] },
    Volumes: { kind: 'volume', naming: ['tenantName'] },
  },
  links: {},
  oper: {
    totalNetworks: { type: 'whole', doc: 'Networks of the tenant.' },
    totalEPGs: { type: 'whole', doc: 'Endpoint groups of the tenant.' },
    totalNetprofiles: { type: 'whole', doc: 'Network profiles of the tenant.' },
    totalAppProfiles: { type: 'whole', doc: 'Application profiles of the tenant.' },
    totalPolicies: { type: 'whole', doc: 'Policies of the tenant.' },
    totalServicelbs: { type: 'whole', doc: 'Services of the tenant.' },
    totalEndpoints: { type: 'whole', doc: 'Containers attached to networks of the tenant.' },
    networks: { type: 'objects', doc: 'What is found out about each network.' },
    endpointGroups: { type: 'objects', doc: 'What is found out about each endpoint group.' },
  },
  columns: [{ head: 'Name', field: 'tenantName' }],
});

/** The configuration of a tenant. */
export type TenantConfig = ConfigOf<typeof tenantKind>;
