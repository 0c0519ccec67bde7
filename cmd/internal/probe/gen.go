package probe

import (
	"cmp"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/registry"
)

// tokenFlags are what token gen is asked for.
type tokenFlags struct {
	secretFile, keyFile, algorithm string
	member                         string
	roles, audience, claims        []string // of claims "name=value"
	issuer, usage                  string
	ttl                            time.Duration
}

func newTokenGenCmd(drivers []bus.Driver) *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Make a token for tests and demos",
		Long: "Make a JSON Web Token for tests and demos, and print it.\n\n" +
			"It is signed with the secret of --secret-file, the private key of --key, or the secret that the\n" +
			"configuration names. The configuration also says what the claims are called, and who the issuer is.",
		Example: "  stompgw token gen --secret-file jwt.secret --member 42 --role ROLE_USER\n" +
			"  stompgw token gen --config prod.yaml --key private.pem --member bob --ttl 10m\n" +
			"  stompgw token gen --secret-file jwt.secret --member 42 --claim org=7 --claim exp=null",
	}
	src := cli.NewSource(cmd, drivers, "use the configuration of serve --standalone")
	flags := cmd.Flags()
	flags.StringVar(&f.secretFile, "secret-file", "", "`FILE` with the secret to sign with")
	flags.StringVar(&f.keyFile, "key", "", "`FILE` in PEM with the private key to sign with")
	flags.StringVar(&f.algorithm, "alg", "", "`ALGORITHM`, such as RS256; by default the first for the key")
	flags.StringVar(&f.member, "member", "", "`ID` of the member: 42 is a number, alice a text, '\"42\"' too")
	flags.StringArrayVar(&f.roles, "role", nil, "`ROLE` of the member; may be given several times")
	cli.DurationVar(flags, &f.ttl, "ttl", time.Hour, math.MinInt64, "`TIME` for which the token is valid; -1m makes one that has expired")
	flags.StringVar(&f.issuer, "issuer", "", "`NAME` of the issuer; by default the configuration's only one")
	flags.StringArrayVar(&f.audience, "audience", nil, "`NAME` of the audience; may be given several times; by default the issuer's first")
	flags.StringVar(&f.usage, "usage", config.Default().Auth.JWT.Usage, "`USAGE` that the token is for; empty leaves the claim out")
	flags.StringArrayVar(&f.claims, "claim", nil, "`NAME=VALUE` of another claim, the value as JSON, or else as text; null removes a claim")
	cli.Check(cmd, func(cmd *cobra.Command, _ []string) error {
		src.Needs("auth")
		if f.bringsKey() {
			src.Needs()
		}
		const advice = "it needs the name of a file"
		return cli.NotEmpty(cmd, "secret-file", advice, "key", advice)
	})
	src.Run(cmd, func(cmd *cobra.Command, _ []string, cfg *config.Config) error {
		if !cmd.Flags().Changed("usage") {
			f.usage = cfg.Auth.JWT.Usage
		}
		token, err := f.sign(cmd, cfg, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), token)
		return nil
	})
	return cmd
}

// sign makes the token that the flags and the configuration ask for.
func (f *tokenFlags) sign(cmd *cobra.Command, cfg *config.Config, now time.Time) (string, error) {
	issuer, err := f.from(cfg)
	if err != nil {
		return "", cli.Misuse(cmd, err)
	}
	key, err := f.key(issuer)
	if err != nil {
		return "", err
	}
	method, err := f.method(key, issuer.Algorithms)
	if err != nil {
		return "", cli.Misuse(cmd, err)
	}
	claims, err := f.payload(cfg.Auth.Claims, issuer, now)
	if err != nil {
		return "", cli.Misuse(cmd, err)
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", method.Alg(), err)
	}
	return token, nil
}

// bringsKey reports whether the flags name what to sign with.
func (f *tokenFlags) bringsKey() bool { return f.secretFile != "" || f.keyFile != "" }

// from returns the issuer in whose name the token is made: that of the configuration, or one that it
// does not know where the flags bring a key.
func (f *tokenFlags) from(cfg *config.Config) (config.Issuer, error) {
	issuer, err := cfg.Issuer(f.issuer)
	brought := f.bringsKey()
	switch {
	case f.secretFile != "" && f.keyFile != "":
		return issuer, errors.New("--secret-file and --key: a token is signed with one key")
	case !brought && !cfg.HasIssuer():
		return issuer, errors.New("there is nothing to sign with: name it with --secret-file, --key or --config")
	case err != nil && cfg.HasIssuer() && !(brought && f.issuer != ""):
		return issuer, fmt.Errorf("--issuer: %w", err)
	}
	issuer.Name = cmp.Or(f.issuer, issuer.Name)
	return issuer, nil
}

// key returns a []byte or a crypto.Signer to sign with.
func (f *tokenFlags) key(issuer config.Issuer) (any, error) {
	switch {
	case f.keyFile != "":
		text, err := config.ReadFile(f.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		key, err := auth.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("--key: %s: %w", f.keyFile, err)
		}
		return key, nil
	case f.secretFile != "":
		secret, err := config.ReadSecret(f.secretFile)
		if err != nil {
			return nil, fmt.Errorf("--secret-file: %w", err)
		}
		return []byte(secret.Reveal()), nil
	case issuer.Secret.Reveal() != "":
		return []byte(issuer.Secret.Reveal()), nil
	}
	return nil, fmt.Errorf("%s holds a public key, which checks tokens and can't sign them: name the private one with --key FILE", issuer.PublicKeyFile[0])
}

// method chooses the algorithm: the one asked for, or the first for the key that the issuer uses.
func (f *tokenFlags) method(key any, used []string) (jwt.SigningMethod, error) {
	public := key
	if signer, ok := key.(crypto.Signer); ok {
		public = signer.Public()
	}
	fit := auth.Algorithms(public)
	name := fit[0]
	if i := slices.IndexFunc(fit, func(name string) bool { return slices.Contains(used, name) }); i >= 0 {
		name = fit[i]
	}
	if f.algorithm != "" {
		name = f.algorithm
	}
	if !slices.Contains(fit, name) {
		return nil, fmt.Errorf("--alg %s is not for this key: want %s", name, strings.Join(fit, ", "))
	}
	return jwt.GetSigningMethod(name), nil
}

// payload is what the token says.
func (f *tokenFlags) payload(names config.Claims, issuer config.Issuer, now time.Time) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(f.ttl).Unix()}
	set := func(name string, value any, said bool) {
		if said && name != "" {
			claims[name] = value
		}
	}
	audience := f.audience
	if audience == nil {
		audience = issuer.Audience[:min(1, len(issuer.Audience))]
	}
	set("iss", issuer.Name, issuer.Name != "")
	set("aud", audience, len(audience) > 0)
	set(names.Roles, f.roles, len(f.roles) > 0)
	set(names.Usage, f.usage, f.usage != "")
	hasMember := f.member != ""
	if hasMember {
		member, err := registry.ParseMember(f.member)
		if err != nil {
			return nil, fmt.Errorf("--member %s: %w", f.member, err)
		}
		claims[names.Member] = json.RawMessage(member)
	}
	for _, claim := range f.claims {
		name, text, ok := strings.Cut(claim, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim %s: want NAME=VALUE", claim)
		}
		if claims[name] = claimValue(text); claims[name] == nil {
			delete(claims, name)
		}
		hasMember = hasMember || name == names.Member // or shall have none
	}
	if !hasMember {
		return nil, errors.New("--member is missing: whose token is it?")
	}
	return claims, nil
}

// claimValue is what text is as JSON, nil for null, else the text.
func claimValue(text string) any {
	switch {
	case !json.Valid([]byte(text)):
		return text
	case strings.TrimSpace(text) == "null":
		return nil
	}
	return json.RawMessage(text) // as it stands: 1.0 stays 1.0
}
