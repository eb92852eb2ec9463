/** Contiv's settings in our words. */
import { expect, test } from 'vitest';
import { contivSettings, contivVariables } from '../../lib/cli/contiv-variables.ts';

test('all that Contiv’s daemons and its plugin read are known', () => {
  const both = ['MODE', 'NET_MODE', 'FORWARD_MODE', 'ETCD_ENDPOINTS', 'CONSUL_ENDPOINTS'];
  const logs = ['LOG_LEVEL', 'USE_JSON_LOG', 'USE_SYSLOG', 'SYSLOG_URL'];
  const names = ['NETMASTER', 'NETPLUGIN'].flatMap((daemon) =>
    [...both, ...logs].map((name) => `CONTIV_${daemon}_${name}`),
  );
  const master = ['INFRA', 'PLUGIN_NAME', 'EXTERNAL_ADDRESS', 'INTERNAL_ADDRESS'];
  const plugin = ['HOST', 'VTEP_IP', 'CONTROL_IP', 'VLAN_UPLINKS', 'VXLAN_PORT'];
  expect(contivVariables).toEqual(
    [
      ...names,
      ...master.map((name) => `CONTIV_NETMASTER_${name}`),
      ...plugin.map((name) => `CONTIV_NETPLUGIN_${name}`),
      'CONTIV_ROLE',
      'CONTIV_LOG_DIR',
    ].toSorted(),
  );
});

test('what has a counterpart becomes it', () => {
  const { environment, notes } = contivSettings({
    CONTIV_NETPLUGIN_HOST: 'h1',
    CONTIV_NETPLUGIN_VTEP_IP: '192.0.2.1',
    CONTIV_NETPLUGIN_VLAN_UPLINKS: 'eth1,eth2',
    CONTIV_NETPLUGIN_VXLAN_PORT: '8472',
    CONTIV_NETPLUGIN_LOG_LEVEL: 'WARN',
    CONTIV_NETMASTER_LOG_LEVEL: 'WARN',
    CONTIV_NETMASTER_ETCD_ENDPOINTS: 'http://10.0.0.1:2379',
    CONTIV_NETMASTER_EXTERNAL_ADDRESS: '0.0.0.0:9999',
    CONTIV_NETPLUGIN_USE_JSON_LOG: 'true',
  });
  expect(notes).toEqual([]);
  expect(environment).toEqual({
    FAIRLEAD_NAME: 'h1',
    FAIRLEAD_VTEP_IP: '192.0.2.1',
    FAIRLEAD_UPLINKS: 'eth1,eth2',
    FAIRLEAD_VXLAN_PORT: '8472',
    FAIRLEAD_LOG_LEVEL: 'warn',
    FAIRLEAD_ETCD_ENDPOINTS: 'http://10.0.0.1:2379',
    FAIRLEAD_API_LISTEN: '0.0.0.0:9999',
    FAIRLEAD_LOG_FORMAT: 'json',
  });
});

test('what has none is named, with what to do instead', () => {
  const { environment, notes } = contivSettings({
    CONTIV_NETMASTER_MODE: 'swarm-mode',
    CONTIV_ROLE: 'netmaster',
    CONTIV_LOG_DIR: '',
  });
  expect(environment).toEqual({});
  expect(notes).toHaveLength(2);
  expect(notes[0]).toContain('CONTIV_NETMASTER_MODE has no meaning here');
});

test('syslog is used when it says so, at the place it says or at this host', () => {
  const syslogOf = (given: Record<string, string>) =>
    contivSettings(given).environment['FAIRLEAD_SYSLOG'];
  const url = { CONTIV_NETPLUGIN_SYSLOG_URL: 'tcp://10.0.0.9:601' };
  expect(syslogOf({ CONTIV_NETPLUGIN_USE_SYSLOG: 'true' })).toBe('udp://127.0.0.1:514');
  expect(syslogOf({ CONTIV_NETPLUGIN_USE_SYSLOG: 'True', ...url })).toBe('tcp://10.0.0.9:601');
  expect(syslogOf({ CONTIV_NETPLUGIN_USE_SYSLOG: 'false', ...url })).toBe(undefined);
  expect(syslogOf(url)).toBe(undefined);
  const both = { CONTIV_NETMASTER_USE_SYSLOG: 'true', CONTIV_NETPLUGIN_USE_SYSLOG: 'true' };
  expect(syslogOf(both)).toBe('udp://127.0.0.1:514');
  expect(() => syslogOf({ ...both, ...url })).toThrow('differ');
  expect(() => syslogOf({ CONTIV_NETPLUGIN_USE_SYSLOG: 'maybe' })).toThrow('maybe');
});

test('our own variable wins', () => {
  const given = { CONTIV_NETPLUGIN_HOST: 'h1', FAIRLEAD_NAME: 'ours' };
  expect(contivSettings(given).environment).toEqual({});
});

test('what nobody can mean is refused', () => {
  expect(() => contivSettings({ CONTIV_NETMASTER_LOG_LEVEL: 'LOUD' })).toThrow('LOUD');
  const differ = { CONTIV_NETMASTER_LOG_LEVEL: 'INFO', CONTIV_NETPLUGIN_LOG_LEVEL: 'DEBUG' };
  expect(() => contivSettings(differ)).toThrow('differ');
});
