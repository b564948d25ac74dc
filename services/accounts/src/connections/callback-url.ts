import type { Config } from '../config.ts'

/** Where Meta is to post an app's webhooks; undefined when this system has no address for that. */
export const callbackUrlOf = (
  { webhookUrl }: Pick<Config, 'webhookUrl'>,
  appId: string,
): string | undefined => webhookUrl && `${webhookUrl.replace(/\/+$/, '')}/webhooks/${appId}`
