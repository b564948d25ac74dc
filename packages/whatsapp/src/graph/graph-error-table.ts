import {
  type GraphErrorRow,
  maybeSent,
  rejected,
  stop,
  throttle,
  unknown,
} from './graph-error-row.ts'

const day = 86_400_000
const newToken = 'Enter a new access token for this connection.'
const calling =
  'Meta refused a calling request. Calls are not made by Lockstep: check the calling settings in WhatsApp Manager.'
const flow =
  'Meta refused the flow of this message. Check the flow in WhatsApp Manager: it must be published and not blocked.'
const onboarding =
  'Meta refused the registration of this number. Check the number in WhatsApp Manager, then register it again.'
const username =
  'Meta refused a change of the username of this number. Check the username in WhatsApp Manager.'
const blockList = 'Meta refused a change of the block list. Try it again in WhatsApp Manager.'

/**
 * Every error code of Meta that is known here (support/error-codes, read 2026-09-11; pywa
 * errors.py, whatsapp-cloud-api-js categorize.ts, courier), with the subcodes of code 100.
 */
export const graphErrors: Readonly<Record<number, GraphErrorRow>> = {
  // The access token and its permissions.
  0: stop(
    `Meta could not authenticate the app's user: the access token has expired or was withdrawn. ${newToken}`,
  ),
  190: stop(
    `Meta does not accept the access token: it has expired, was withdrawn or is mistyped. ${newToken}`,
  ),
  3: stop(
    'The app lacks the capability for this call. Check the permissions of the app and of its system user at Meta.',
  ),
  10: stop(
    'The app has no permission for this action. Grant whatsapp_business_messaging to the system user, then resume.',
  ),
  200: stop(
    'The app has no permission for this number or its WhatsApp Business Account. Assign both to the system user at Meta.',
  ),
  131005: stop(
    'Access was denied: the token lacks a permission for this number. Grant whatsapp_business_messaging, then resume.',
  ),

  // The number or the account as a whole.
  131031: stop(
    'Meta has locked this WhatsApp Business Account. Open Business Support at Meta to see why and to appeal.',
  ),
  368: stop(
    'Meta has blocked this WhatsApp Business Account for breaking its policies. See the violation in WhatsApp Manager.',
  ),
  131042: stop(
    'Meta reports a payment problem. Check the payment method of the WhatsApp Business Account, then resume.',
  ),
  131044: rejected(
    'Meta reports a payment problem for calls. Check the payment method of the WhatsApp Business Account.',
    'management',
  ),
  131048: stop(
    'Too many messages from this number were blocked or reported as spam. Wait for its quality to recover, write to fewer people.',
  ),
  131064: stop(
    'Meta limits this account because templates were put in the wrong category. Correct their categories before going on.',
  ),
  133010: stop(
    'This number is not registered on the WhatsApp Business Platform. Register it, then resume.',
  ),
  33: stop(
    'This number does not exist at Meta any more, or the token may not see it. Check its phone number id and its token, then resume.',
  ),
  131037: stop(
    'This number needs an approved display name before it can send. Request one in WhatsApp Manager, then resume.',
  ),
  131045: stop(
    "The number's registration or certificate is not valid. Register the number again, then resume.",
  ),
  133006: stop(
    'The number is not verified. Verify it by the code that Meta sends and register it, then resume.',
  ),
  134011: stop(
    'The terms of service for payments are not accepted. Accept them in WhatsApp Manager, then resume.',
  ),
  131055: stop(
    'This number may send only marketing messages by this way. Send this template by another number.',
  ),
  131063: stop(
    'Marketing by the Cloud API is switched off for this account. Switch it on in WhatsApp Manager, then resume.',
  ),

  // The template.
  132001: stop(
    'The template does not exist in this language, or is not approved. Sync the templates and choose an approved one.',
    'template',
  ),
  132015: stop(
    'Meta has paused this template because of its quality. Wait until it is unpaused, or use another one.',
    'template',
  ),
  132016: stop(
    'Meta has disabled this template for good because of its quality. Use another one.',
    'template',
  ),
  132000: stop(
    'The number of values does not match the variables of the template. Sync the templates, then resume.',
    'template',
  ),
  132007: stop(
    'The text of this template breaks a policy of WhatsApp. Change the template in WhatsApp Manager, or use another one.',
    'template',
  ),
  132012: stop(
    'A value has another type than the template asks for. Sync the templates, then resume.',
    'template',
  ),
  132068: stop(flow, 'template'),
  132069: stop(flow, 'template'),
  134100: stop(
    'Only marketing templates may be sent by this way. Choose a marketing template.',
    'template',
  ),
  134101: stop('Meta is still preparing this template. Resume in ten minutes.', 'template'),
  134102: stop(
    'This template is not available for marketing by this way. Choose another one.',
    'template',
  ),
  132005: rejected('The text is too long once its values are filled in. Use shorter values.'),
  132008: rejected('A value does not have the form that the template asks for. Check the values.'),
  132018: rejected(
    'A value of the template is not valid. Check for line breaks, tabs and long runs of spaces in it.',
  ),

  // Limits: nothing was sent, later it can be.
  4: throttle('The app has made too many calls to Meta. Sending goes on more slowly by itself.'),
  80007: throttle(
    'The WhatsApp Business Account has reached its rate limit. Sending goes on more slowly by itself.',
  ),
  613: throttle('Too many calls to Meta. Sending goes on more slowly by itself.'),
  130429: throttle(
    'This number has reached its throughput limit. Sending goes on more slowly by itself.',
  ),
  // Upgrades take up to a minute (throughput page).
  131057: throttle(
    'Meta is upgrading this number. Sending goes on in about a minute by itself.',
    'connection',
    { retryAfterMs: 60_000 },
  ),
  36007: rejected(
    'The code of this sign-up is over: it is good for seconds. Let the customer sign up again.',
    'management',
  ),
  36008: rejected(
    'Meta does not know the code of this sign-up for the app. Check the app, and let the customer sign up again.',
    'management',
  ),
  36009: rejected(
    'The code of this sign-up was used already. Let the customer sign up again, which gives another code.',
    'management',
  ),
  2200: rejected(
    'Meta asked the callback URL with the verify token and did not get its challenge back. Check that the address leads here from the internet.',
    'management',
  ),
  2494100: throttle(
    'Meta has this account in maintenance. Sending goes on in about a minute by itself.',
    'connection',
    {
      retryAfterMs: 60_000,
    },
  ),
  // One message in 6 s from one number to one person (about-the-platform page).
  131056: throttle(
    'Too many messages to this person in a short time. This one is sent later by itself.',
    'recipient',
    {
      retryAfterMs: 6_000,
    },
  ),

  // May have gone out (error kinds of meta-whatsapp-rs).
  1: unknown(`Meta had an error and did not say which. ${maybeSent}`),
  2: unknown(`Meta is down for a short time. ${maybeSent}`),
  131000: unknown(`Something went wrong at Meta. ${maybeSent}`),
  131016: unknown(`Meta's service is overloaded. ${maybeSent}`),
  133004: unknown(`Meta's server is not available for a short time. ${maybeSent}`),

  // The recipient.
  131049: rejected(
    'Meta did not deliver it, because this person gets enough marketing already. Do not send it again within 24 hours.',
    'recipient',
    { noRetryBeforeMs: day },
  ),
  131050: rejected(
    'This person has stopped marketing messages from you in WhatsApp. Do not send them any.',
    'recipient',
    { optOut: true },
  ),
  130472: rejected(
    'Meta holds this person back from marketing for an experiment. Sending it again does not help.',
    'recipient',
  ),
  131047: rejected('This person last wrote more than 24 hours ago. Use a template.', 'recipient'),
  131026: rejected(
    'This message can not be delivered: the person is not on WhatsApp, has an old version, or has not accepted its terms.',
    'recipient',
  ),
  131030: rejected(
    'This is a test number, and the recipient is not on its list. Add the recipient at Meta, or use a real number.',
    'recipient',
  ),
  131021: rejected(
    'The recipient is the sending number itself. Choose another recipient.',
    'recipient',
  ),
  130403: rejected(
    'You have blocked this person in WhatsApp. Unblock them there before you write to them.',
    'recipient',
    {
      blocked: true,
    },
  ),
  130497: rejected(
    'Your account may not write to people in this country. Leave them out.',
    'recipient',
  ),
  131062: rejected(
    'This message can not go to a user id. Write to the phone number instead.',
    'recipient',
  ),
  137000: rejected(
    "The person's WhatsApp identity has changed. Verify who they are before you send again.",
    'recipient',
  ),

  // The request.
  100: rejected('A parameter of the request is not valid. See the details from Meta.'),
  131008: rejected('A required parameter is missing. See the details from Meta.'),
  131009: rejected('A parameter has a value that is not valid. See the details from Meta.'),
  131051: rejected('This type of message is not supported. Use another type.'),
  131052: rejected(
    'The media of this message could not be downloaded. Ask the person to send it again.',
  ),
  131053: rejected(
    'Meta could not take the media of this message. Check that its address is public and its type and size are allowed.',
  ),
  131060: rejected('This message is not available. The person can be asked to send it again.'),
  135000: rejected(
    'Meta refused the parameters of the request without saying which. Check the message.',
  ),

  // Registration of a number.
  133000: rejected(onboarding, 'management'),
  133005: rejected('The two-step PIN is wrong. Enter the right one.', 'management'),
  133008: rejected('Too many wrong PINs. Wait before you try again.', 'management'),
  133009: rejected('The PIN was entered too fast. Wait a little, then try again.', 'management'),
  133015: rejected(
    'This number was deleted a short time ago. Try again in five minutes.',
    'management',
  ),
  133016: rejected(
    'The number was registered too often. Meta allows it again after 72 hours.',
    'management',
  ),
  2593107: rejected(
    'The chats of this number were already synced once. It can not be done again.',
    'management',
  ),
  2593108: rejected('It is too late to sync the chats of this number.', 'management'),
  2593109: rejected('The owner of this number declined to share its chats.', 'management'),

  // Subcodes of code 100 on template calls.
  2388019: rejected(
    'The account has reached its number of templates. Delete one first.',
    'management',
  ),
  2388024: rejected(
    'A template of this name and language exists. Choose another name.',
    'management',
  ),
  2388039: rejected(
    'A template in this state can not be edited. Wait for its review.',
    'management',
  ),
  2388040: rejected('A field of the template is too long. Shorten it.', 'management'),
  2388047: rejected('The header of the template is not valid. Change it.', 'management'),
  2388072: rejected('The body of the template is not valid. Change it.', 'management'),
  2388073: rejected('The footer of the template is not valid. Change it.', 'management'),
  2388293: rejected(
    'The template has too many variables for its length. Add words or remove variables.',
    'management',
  ),
  2388299: rejected(
    'A variable may not stand at the start or the end of the text. Put words around it.',
    'management',
  ),
}

/** Ranges of codes that share one row. */
export const graphErrorRanges: readonly { from: number; to: number; row: GraphErrorRow }[] = [
  { from: 200, to: 299, row: graphErrors[200]! },
  { from: 138000, to: 138018, row: rejected(calling, 'management') },
  { from: 139000, to: 139004, row: stop(flow, 'template') },
  { from: 139100, to: 139103, row: rejected(blockList, 'management') },
  { from: 147001, to: 147005, row: rejected(username, 'management') },
]
