package audit

import "context"

// Actor is who does something.
type Actor struct {
	Name    string `json:"name"`              // the user's, or the robot's
	Kind    string `json:"kind"`              // user, token, robot, local (on the machine itself), system (the appliance itself)
	Address string `json:"address,omitempty"` // of the client, without its port
	Via     string `json:"via,omitempty"`     // session, token:ID, password, socket, oidc, open (nobody is asked), job:KIND
}

// System is the kind, and the name, of the appliance itself.
const System = "system"

type actorKey struct{}

// WithActor says who does what is done under the context.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf is who does what is done under the context: the appliance itself when
// nothing else was said.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Name: System, Kind: System}
}
